"""The readings of a column with soft references: which rows are read how, and where their values contain ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edms_tasks.inventory.model import Condition, IdKind, IdPlace, Table
from edms_tasks.soft.id_patterns import TextPattern, text_pattern
from edms_tasks.soft.json_paths import JsonPath, parse_json_path, path_in

UNREAD = -1
"""The number of the reading of rows that no declaration is for."""


@dataclass(frozen=True)
class Spot:
    """A place in values that contains ids of one reference."""

    place: IdPlace
    reference: int  # its position among the column's references
    id_kind: IdKind
    resolved: JsonPath | None = None  # the path into JSON in this database, where it differs from the declared one

    @property
    def path(self) -> JsonPath:
        """The path into JSON."""
        return self.resolved or parse_json_path(self.place.path)


@dataclass(frozen=True)
class SpotPattern:
    """A pattern of strings, and the spots of its ids in their order."""

    pattern: TextPattern
    spots: tuple[Spot, ...]


def patterns_of(spots: Sequence[Spot]) -> list[SpotPattern]:
    """The patterns of spots of the form `pattern`, in the order of their declarations."""
    found: dict[str, list[Spot]] = {}
    for spot in spots:
        found.setdefault(spot.place.expression, []).append(spot)
    return [
        SpotPattern(text_pattern(expression, [spot.id_kind for spot in held]), tuple(held))
        for expression, held in (
            (expression, sorted(held, key=lambda spot: spot.place.part)) for expression, held in found.items()
        )
    ]


@dataclass(frozen=True)
class Reading:
    """How the values of rows that satisfy the conditions are read: the places of ids in JSON, or in texts of one form."""

    where: tuple[Condition, ...]
    spots: tuple[Spot, ...]

    @property
    def in_json(self) -> bool:
        """Whether the values are JSON; otherwise they are texts."""
        return bool(self.spots[0].place.path)


def readings_in(readings: Sequence[Reading], ids: Callable[[str], Sequence[str]]) -> tuple[Reading, ...]:
    """The readings in one database: with the ids of content types where paths name models."""
    return tuple(
        replace(reading, spots=tuple(replace(spot, resolved=path_in(spot.path, ids)) for spot in reading.spots))
        if any("model" in spot.place.path for spot in reading.spots)
        else reading
        for reading in readings
    )


def readings_of(table: Table, column: str) -> tuple[Reading, ...]:
    """The readings of a column, in the order of their declarations; each row has at most one."""
    found: dict[tuple[Condition, ...], list[Spot]] = {}
    references = [one for one in table.soft_references if one.column == column]
    for number, reference in enumerate(references):
        for place in reference.places:
            found.setdefault(place.where, []).append(Spot(place, number, reference.id_kind))
    return tuple(Reading(where, tuple(spots)) for where, spots in found.items())


def reading_number(readings: Sequence[Reading], condition: Callable[[Condition], str]) -> str:
    """SQL: the number of a row's reading; `condition` makes SQL that says whether a row meets one."""
    if not any(reading.where for reading in readings):
        return "0"
    cases = " ".join(
        f"WHEN {' AND '.join(condition(one) for one in reading.where)} THEN {number}"
        for number, reading in enumerate(readings)
        if reading.where
    )
    return f"CASE {cases} ELSE {UNREAD} END"
