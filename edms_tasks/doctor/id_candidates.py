"""Find values that look like ids, on samples: in plain columns, in lists, at paths of JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.doctor.json_contents import ID, json_columns, tabulate_json
from edms_tasks.doctor.samples import Sample
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal

PLACED_VALUES = "soft_values"
"""A relation of (place, value, number, weight): different values, UUIDs without dashes, and how often each occurs."""

_NODES = "soft_nodes"
_MOSTLY = 0.5
_MOST_VALUES = 1_000  # different ones of a place
_MOST_PATHS = 40  # of a column's JSON
_SEPARATORS = (",", ";", "|", " ")
_LIST = rf"[\[{{(]?\s*{ID}(?:\s*[,;|\s]\s*{ID})+\s*[\]}})]?"


@dataclass(frozen=True)
class CandidatePlace:
    """A column, or a path inside its JSON."""

    table: Table
    column: str
    path: str  # "" for the column itself
    of: str  # "value" | "key"
    several: bool  # a row can have more than one value: a list, an array, an object's keys
    filled: int  # number of values in the sample
    alike: int  # number of values that look like ids
    separator: str = ""  # of a list in a string

    @property
    def subject(self) -> str:
        """The subject of a finding about the place."""
        return f"{self.table.label}.{self.column}"

    @property
    def name(self) -> str:
        """The name of the values: the column, or the last telling key: `document_id` for `$.document.id`."""
        keys = re.findall(r'\.("(?:[^"\\]|\\.)*"|[^.\[]+)', self.path)
        names = [self.column, *(key.strip('"') for key in keys if key != "*")]
        plain_id = names[-1].lower() in ("id", "pk", "uuid") and len(names) > 1
        return f"{names[-2]}_{names[-1]}" if plain_id else names[-1]


def tabulate_places(cursor: duckdb.DuckDBPyConnection, samples: Sequence[Sample]) -> list[CandidatePlace]:
    """Fill `PLACED_VALUES`; returns the places by their number in it."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {PLACED_VALUES} (place INTEGER, value VARCHAR, number BIGINT, weight BIGINT)"
    )
    places: list[CandidatePlace] = []
    for sample in samples:
        in_json = json_columns(cursor, sample)
        paths = {column for column, _ in sample.table.file_columns}
        for column in sample.columns:
            if column.name in in_json:
                _place_json(cursor, sample, column.name, places)
            elif column.logical_type != "json" and column.name not in paths:
                _place_plain(cursor, sample, column.name, places)
    return places


def _place_plain(cursor: duckdb.DuckDBPyConnection, sample: Sample, column: str, places: list[CandidatePlace]) -> None:
    name = identifier(column)
    is_id, is_list = (f"regexp_full_match({name}, {literal(pattern)})" for pattern in (ID, _LIST))
    filled, ids, lists = cursor.execute(
        f"SELECT count(nullif({name}, '')), count(*) FILTER ({is_id}), count(*) FILTER ({is_list}) FROM {sample.relation}"
    ).fetchall()[0]
    if not filled or ids + lists <= _MOSTLY * filled:
        return
    if not lists:
        place = CandidatePlace(sample.table, column, "", "value", several=False, filled=int(filled), alike=int(ids))
        _insert(cursor, f"SELECT {name} AS value FROM {sample.relation} WHERE {is_id}", place, places)
        return
    every = f"SELECT unnest(regexp_extract_all({name}, {literal(ID)})) AS value FROM {sample.relation} WHERE {is_id} OR {is_list}"
    (values,) = cursor.execute(f"SELECT count(*) FROM ({every})").fetchall()[0]
    others = int(filled) - ids - lists
    place = CandidatePlace(
        sample.table,
        column,
        "",
        "value",
        several=True,
        filled=int(values) + others,
        alike=int(values),
        separator=_separator(cursor, sample, column, is_list),
    )
    _insert(cursor, every, place, places)


def _separator(cursor: duckdb.DuckDBPyConnection, sample: Sample, column: str, is_list: str) -> str:
    """The separator of most of a column's lists."""
    counts = [f"count(*) FILTER (contains({identifier(column)}, {literal(mark)}))" for mark in _SEPARATORS]
    (found,) = cursor.execute(f"SELECT {', '.join(counts)} FROM {sample.relation} WHERE {is_list}").fetchall()
    return max(zip(found, _SEPARATORS, strict=True), key=lambda pair: (int(pair[0]), -_SEPARATORS.index(pair[1])))[1]


def _place_json(cursor: duckdb.DuckDBPyConnection, sample: Sample, column: str, places: list[CandidatePlace]) -> None:
    tabulate_json(cursor, sample, column, _NODES)
    found = cursor.execute(
        f"""
        SELECT path, 'value' AS part, count(value) AS filled, count(*) FILTER (regexp_full_match(value, {literal(ID)})) AS alike
        FROM {_NODES}
        GROUP BY path
        HAVING alike > {_MOSTLY} * filled
        UNION ALL
        SELECT path, 'key', count(*), count(*)
        FROM {_NODES}
        WHERE suffix(path, '.*') AND regexp_full_match(key, {literal(ID)})
        GROUP BY path
        ORDER BY filled DESC, path, part
        LIMIT {_MOST_PATHS}
        """
    ).fetchall()
    for path, part, filled, alike in found:
        several = part == "key" or path.endswith("[*]")
        place = CandidatePlace(sample.table, column, path, part, several=several, filled=int(filled), alike=int(alike))
        chosen = f"path = {literal(path)} AND regexp_full_match({part}, {literal(ID)})"
        _insert(cursor, f"SELECT {part} AS value FROM {_NODES} WHERE {chosen}", place, places)


def _insert(
    cursor: duckdb.DuckDBPyConnection, values: str, place: CandidatePlace, places: list[CandidatePlace]
) -> None:
    # The UUIDs of nothing but zeros or ones stand for none and for any, not for a row.
    cursor.execute(
        f"""
        INSERT INTO {PLACED_VALUES}
        SELECT {len(places)}, {bare_uuid("value")} AS bare, TRY_CAST(any_value(value) AS BIGINT), count(*)
        FROM ({values})
        WHERE bare NOT IN ({", ".join(literal(digit * 32) for digit in "0f")})
        GROUP BY bare
        ORDER BY hash(bare)
        LIMIT {_MOST_VALUES}
        """
    )
    places.append(place)
