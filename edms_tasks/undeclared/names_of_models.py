"""Which models the name of a place refers to: `document_id` to documents, `object_pk` to some row of any model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edms_tasks.inventory.model import CONTENT_TYPES, ForeignReference, Table

Strength = Literal["reference", "model", "id", "none"]
"""`reference`: a model's name and that it is an id; `model`: a model's name; `id`: that it is an id, of what is not said."""

_SUFFIX = re.compile(r"_?(?:ids?|pks?|uuids?|guids?|refs?)$")
_LOOKUP = re.compile(r"__(?:in|all|exact|iexact|any|none|contains|overlap|isnull)$")
_CONTAINER = re.compile(r"(?<=.)_(?:list|set|array|map|tuple|csv|json|keys|values|query|path|paths|trail|chain)$|^by_")
_SHORTEST_STEM = 4  # characters of a model's name, if only its end is used: `version_id` of DocumentVersion
# Ids of things outside the database, and numbers with another use.
_OTHER = (
    "session transaction external legacy remote foreign process tree thread trace request correlation message batch build "
    "client device vendor customer order invoice tax employee national passport bank account oauth app api hash"
)
_OTHER_IDS = frozenset(_OTHER.split())
_ANY_ROW = frozenset(
    {"object", "target", "link", "entity", "subject", "instance", "row", "record", "related", "content_object"}
)
_COUNTERS = (
    "year month day hour minute second width height size length count total number num no position pos order index rank rating "
    "score level depth page pages version revision major minor quantity amount price percent progress priority weight step line "
    "row rows column columns col x y top left right bottom bytes duration age limit offset sequence lft rght rgt numchild max min "
    "port status code state timeout interval days hours minutes seconds attempts retries ordinal copies start end since until "
    "stock views hits likes votes stars points grade floor downloads helpful capacity credits balance "
    "n i idx seq nr counter int integer float decimal bool boolean string text char"
)
COUNTERS = frozenset(_COUNTERS.split())
"""Last words of names whose values count or measure."""


IDS_OF_ANYTHING = frozenset({CONTENT_TYPES, "django_migrations", "django_session", "auth_permission"})
"""Django's own tables. Every small number is an id of these, and hardly any column outside Django refers to them."""


@dataclass(frozen=True)
class Meaning:
    """What a name refers to, and how clearly; `targets` are numbers in the caller's list of models."""

    strength: Strength
    targets: frozenset[int] = frozenset()


class Names:
    """The names by which models are referred to: the models' own, and those of foreign keys to them."""

    def __init__(self, targets: Sequence[Table], tables: Mapping[str, Table]) -> None:
        numbers = {table.id: number for number, table in enumerate(targets)}
        self._known: dict[str, set[int]] = {}
        for number, table in enumerate(targets):
            self._known.setdefault(_squeezed(table.label.rpartition(".")[2]), set()).add(number)
        for table in tables.values():
            for reference in table.references:
                if (
                    isinstance(reference, ForeignReference)
                    and reference.target in numbers
                    and len(reference.columns) == 1
                ):
                    stem = _SUFFIX.sub("", reference.columns[0].lower())
                    self._known.setdefault(_squeezed(stem), set()).add(numbers[reference.target])

    def meant(self, name: str, *, several: bool) -> Meaning:
        """What a name refers to: `document_id`, `documentIds`, `filter_tags__id__in`; with `several` also a plural such as `documents`."""
        snake = _LOOKUP.sub("", _snake(name)).strip("_")
        if several:
            snake = _CONTAINER.sub("", snake)
        stem = _SUFFIX.sub("", snake).strip("_")
        is_id = stem != snake
        if not stem:
            return Meaning("id" if is_id else "none")
        exact = self._exact(stem, plural=several or is_id)
        if exact:
            return Meaning("reference" if is_id else "model", exact)
        if not is_id and not several:
            return Meaning("id" if stem in _ANY_ROW else "none")
        wanted = _squeezed(stem).removesuffix("s")
        longer = {n for known, found in self._known.items() if known.endswith(wanted) for n in found}
        if len(wanted) >= _SHORTEST_STEM and longer:
            return Meaning("reference" if is_id else "model", frozenset(longer))
        if is_id and stem.rpartition("_")[2] not in _OTHER_IDS:
            return Meaning("id")
        return Meaning("none")

    def _exact(self, stem: str, *, plural: bool) -> frozenset[int]:
        """The targets with that name, or with the name that its last words are: `assign_correspondent`."""
        words = stem.split("_")
        for first in range(len(words)):
            squeezed = "".join(words[first:])
            if first and len(squeezed) < _SHORTEST_STEM:
                break
            for name in (squeezed, squeezed.removesuffix("s")) if plural else (squeezed,):
                if name in self._known:
                    return frozenset(self._known[name])
        return frozenset()


def counts_or_measures(name: str) -> bool:
    """Whether the name is that of a number that counts or measures something."""
    return _snake(name).strip("_").rpartition("_")[2] in COUNTERS


def _snake(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "")
