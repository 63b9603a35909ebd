"""The settings' `[[soft_references]]`: the shapes that a declaration can have. What they mean is in soft/soft_references.py."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator


class Section(BaseModel):
    """A section of the settings, which refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Wanted = StrictBool | StrictInt | StrictStr


class SoftReferenceSettings(Section):
    """One reference that neither database nor models declare, in one of six shapes (`docs/settings.md`)."""

    column: str | None = Field(default=None, description="app.Model.field or table.column that holds ids.")
    target: str | tuple[str, ...] | None = Field(
        default=None,
        description="The model they are ids of, or app.Model.field; with a pattern of several ids, one for each.",
    )
    separator: str | None = Field(default=None, min_length=1, description="The column is a list of ids in a string.")
    json_: str | None = Field(
        default=None,
        alias="json",
        description="The ids are at this path of the JSON; with separator, pattern or tag: the strings that hold them.",
    )
    pattern: str | None = Field(default=None, description="The ids are in strings like custom_field_%d.")
    tag: str | None = Field(
        default=None, description='The ids are in rich text, in tags like <a linktype="page" id="%d">.'
    )
    copy_of: str | None = Field(
        default=None,
        description="Instead of target: the JSON is a copy of a row of this model, or of the model in this column of content types.",
    )
    where: dict[str, _Wanted | tuple[_Wanted, ...]] | None = Field(
        default=None, description="Only in rows with these values in other columns, e.g. { rule_type = [0, 3] }."
    )
    files: str | None = Field(default=None, description="Instead of a column: a folder of files, whose names hold ids.")
    name: str | None = Field(default=None, description="With files: the names, e.g. thumbnails/{pk:07}.webp.")
    content_type: str | None = Field(
        default=None, description="The column of the content type that belongs to object_id."
    )
    object_id: str | None = Field(
        default=None,
        description="The column with the id of a row of that content type. With column and json, both are members of the objects there.",
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets, one for each id of a pattern."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target

    @field_validator("where", mode="before")
    @classmethod
    def _comparable(cls, where: Any) -> Any:
        values = [
            one
            for value in (where.values() if isinstance(where, dict) else [where])
            for one in (value if isinstance(value, list | tuple) else [value])
        ]
        if where is not None and not (
            isinstance(where, dict) and all(isinstance(one, bool | int | str) for one in values)
        ):
            raise ValueError(
                "where compares columns with texts, whole numbers, true and false: where = { rule_type = [0, 3] }"
            )
        return where

    @model_validator(mode="after")
    def _one_shape(self) -> SoftReferenceSettings:
        given = {"json" if key == "json_" else key for key in type(self).model_fields if getattr(self, key) is not None}
        if not any(needed <= given <= needed | also for needed, also in _SHAPES) or len(given & _IN_TEXT) > 1:
            raise ValueError(
                f"{', '.join(sorted(given)) or 'nothing'} is not a valid combination; it takes column and target, with json, at most "
                "one of separator, pattern and tag, and where; or column and copy_of, with where; or files, name and target; or "
                "content_type and object_id; or column, json, content_type and object_id, with target and where"
            )
        if (
            isinstance(self.target, tuple)
            and (self.pattern is None or len(self.target) < 2)
            and self.content_type is None
        ):
            raise ValueError(
                'several targets need a pattern with an id of each: pattern = "%d-%d", target = ["app.One", "app.Other"]'
            )
        if self.where == {} or () in (self.where or {}).values():
            raise ValueError("where must name a column and at least one value: where = { rule_type = [0, 3] }")
        return self


_IN_TEXT = frozenset({"separator", "pattern", "tag"})
_SHAPES: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"column", "target"}), _IN_TEXT | {"json", "where"}),
    (frozenset({"column", "copy_of"}), frozenset({"where"})),
    (frozenset({"files", "name", "target"}), frozenset()),
    (frozenset({"content_type", "object_id"}), frozenset()),
    (frozenset({"column", "json", "content_type", "object_id"}), frozenset({"target", "where"})),
)
