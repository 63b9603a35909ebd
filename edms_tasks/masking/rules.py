"""The rules of a masked copy: the TOML file that `--mask` names (docs/masking.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from edms_tasks.errors import SettingsError

Kind = Literal[
    "keep", "hash", "name", "email", "phone", "ip", "text", "number", "password", "shift", "null", "constant"
]
Treatment = Literal["placeholder", "leave-out", "keep"]
"""What becomes of a folder's files: a placeholder for each, none of them, or all as they are."""
SHORTEST = 3
"""Shorter values occur everywhere by chance."""
EVERY_STRING = "**"
"""The path of all strings of a JSON document."""


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnRule(_Rules):
    """What becomes of a column's values; of a JSON column's either all strings, or those at `paths`."""

    kind: Kind | None = None
    value: str | None = None  # of `constant`
    days: int = Field(default=365, ge=1, le=36_500)  # of `shift`: the most days, in either direction
    by: str | None = None  # of `shift`: the column whose value decides by how many; None: the primary key
    paths: dict[str, Kind] = Field(default={})

    @model_validator(mode="after")
    def _is_one_of_both(self) -> ColumnRule:
        if (self.kind is None) == (not self.paths):
            raise ValueError("give either `kind` or `paths`")
        if (self.kind == "constant") != (self.value is not None):
            raise ValueError("`value` belongs to the kind `constant`, which needs it")
        if EVERY_STRING in self.paths and len(self.paths) > 1:
            raise ValueError(f"`{EVERY_STRING}` stands for every string, so it cannot have others beside it")
        if unfit := sorted({*self.paths.values()} & {"keep", "password", "shift", "number", "constant"}):
            raise ValueError(f"the kind {unfit[0]!r} cannot be used inside JSON")
        return self


def _written_short(rule: Any) -> Any:
    return {"kind": rule} if isinstance(rule, str) else rule


class SearchRules(_Rules):
    """How the copy is searched for the original values."""

    minimum_length: int = Field(default=4, ge=SHORTEST, le=20)
    # Of the kind `text` and of whole JSON documents: words such as "draft" are in many texts, and say nothing about anyone.
    minimum_text_length: int = Field(default=16, ge=SHORTEST, le=200)
    may_hold: tuple[str, ...] = ()  # columns that may still hold original values
    not_personal: tuple[str, ...] = ()  # values that are no personal data, such as "admin"


class MaskRules(_Rules):
    """The rules of a masked copy."""

    columns: dict[str, Annotated[ColumnRule, BeforeValidator(_written_short)]] = Field(default={})
    empty: tuple[str, ...] = ()  # models and tables whose rows are left out
    files: dict[str, Treatment] = Field(default={})  # root -> what becomes of its files; others get placeholders
    search: SearchRules = SearchRules()
    defaults: bool = True  # passwords, sessions, tokens and the admin's log are masked without being named


def load_rules(path: Path) -> MaskRules:
    """Read a file of rules.

    Raises:
        SettingsError: it is missing, or is not a file of rules.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            "The masking rules cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Check the path.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            "The masking rules are no TOML.", where=str(path), why=str(error), fix="Correct the file."
        ) from error
    try:
        return MaskRules.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingsError(
            "The masking rules are invalid.",
            where=f"{path}: {place}" if place else str(path),
            why=str(first["msg"]),
            fix=f"See docs/masking.md. The kinds are: {', '.join(get_args(Kind))}.",
        ) from error
