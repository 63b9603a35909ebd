"""Path columns: columns that name files although they are no FileFields, and the folder that their values are relative to.

A value may be an absolute path, or relative to the root, to a folder below it (`originals/`) or to one above it (`media/…`). A
column may contain several of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from edms_tasks.files.file_fields import named_paths
from edms_tasks.files.path_mentions import MENTIONED, label_of, text_bytes
from edms_tasks.inventory.model import FileRoot, PathColumn, PathPlace, Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable

_MOSTLY = 0.5
_ALMOST_ALL = 0.9
_FEW = 0.1
_MOST_PLACES = 8
_CANDIDATES = 50
_OWN = 0.8  # share of a place's matches that no earlier place has
PLACED = "placed"
"""The relation of mentions that are names of files of the roots, with the place (root, strip, prefix) from which they lead."""

_Place = tuple[str, str, str]  # root, strip, prefix


@dataclass(frozen=True)
class FoundColumn:
    """A column that names files of the roots."""

    table: Table
    column: str
    places: tuple[PathPlace, ...]  # (): names without a folder, of files in many folders
    matched: int  # values that are names of files
    filled: int  # all values
    bare: bool  # they are names without a folder

    @property
    def label(self) -> str:
        """The column's name in findings."""
        return label_of(self.table, self.column)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of mentions that must be files. URLs are included only if nearly all values are files; otherwise they may lead
        anywhere.
        """
        return ("plain", "list", "url") if self.matched >= _ALMOST_ALL * self.filled else ("plain", "list")

    @property
    def as_recorded(self) -> PathColumn:
        """The column as the manifest records it."""
        return PathColumn(table=self.table.id, column=self.column, places=self.places)


def find_places(connection: duckdb.DuckDBPyConnection, matched: str) -> None:
    """Create the relation `PLACED`: the mentions in `matched` that are the end of a file's path, with strip and prefix."""
    common = "right(below, least(length(below), length(ltrim(value, '/'))))"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {PLACED} AS
        SELECT DISTINCT
            label, form, whole, value, rows, root, below,
            left(value, length(value) - length({common})) AS strip,
            left(below, length(below) - length({common})) AS prefix
        FROM {matched}
        WHERE form IN ('plain', 'url', 'list') AND suffix(path, ltrim(value, '/'))
        """
    )


def find_path_columns(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, tuple[Table, str]],
    raws: Mapping[str, RawTable],
    roots: Sequence[FileRoot],
    known: Sequence[PathColumn] = (),
) -> tuple[FoundColumn, ...]:
    """The columns whose values name files of the roots, as in `PLACED`.

    A column is one if at least half of its values name files. A tenth is enough if nearly all values look like paths: the others
    are then names of deleted files. The same holds for a column that is `known` from the previous snapshot and still has paths.
    """
    counts = connection.execute(
        f"""
        SELECT label, met, slashed, coalesce(plain, 0)
        FROM (
            SELECT label, sum(rows) AS met, coalesce(sum(rows) FILTER (contains(value, '/')), 0) AS slashed
            FROM (SELECT DISTINCT label, form, whole, value, rows FROM {PLACED}) GROUP BY label
        )
        LEFT JOIN (SELECT label, sum(rows) AS plain FROM {MENTIONED} WHERE form IN ('plain', 'list') GROUP BY label) USING (label)
        """
    ).fetchall()
    possible = {label: row for label, *row in counts if _is_text(*columns[label])}
    filled = _filled(connection, [columns[label] for label in columns if label in possible], raws)
    found = []
    for label, (met, slashed, plain) in possible.items():
        whole = max(filled[label], int(plain))
        gone = slashed >= max(2, _FEW * whole) and plain >= _ALMOST_ALL * whole
        if met >= _MOSTLY * whole or gone:
            found.append(FoundColumn(*columns[label], (), int(met), whole, slashed < _MOSTLY * met))
    own = [one for one in found if not (one.bare and _are_of_a_file_field(connection, one, raws, roots))]
    placed = _without_rivals(_with_places(connection, own))
    return (*placed, *_still_known(connection, placed, columns, raws, roots, known))


def _still_known(
    connection: duckdb.DuckDBPyConnection,
    found: Sequence[FoundColumn],
    columns: Mapping[str, tuple[Table, str]],
    raws: Mapping[str, RawTable],
    roots: Sequence[FileRoot],
    known: Sequence[PathColumn],
) -> Iterator[FoundColumn]:
    """Columns that named files at the previous backup and still hold paths, though hardly any of the files is there."""
    by_id = {(table.id, column): label for label, (table, column) in columns.items()}
    before = {by_id[one.table, one.column]: one for one in known if (one.table, one.column) in by_id}
    lost = {label: one for label, one in before.items() if label not in {other.label for other in found}}
    if not lost:
        return
    mentioned = dict(
        connection.execute(
            f"SELECT label, sum(rows) FROM {MENTIONED} WHERE form IN ('plain', 'list') GROUP BY label"
        ).fetchall()
    )
    filled = _filled(connection, [columns[label] for label in lost], raws)
    for label, one in lost.items():
        plain = int(mentioned.get(label, 0))
        whole = max(filled[label], plain)
        if plain and plain >= _ALMOST_ALL * whole:
            places = tuple(place for place in one.places if place.root in {root.name for root in roots})
            met = _met(connection, label, [(p.root, p.strip, p.prefix) for p in places]) if places else 0
            yield FoundColumn(*columns[label], places, met, whole, bare=False)


def _is_text(table: Table, column: str) -> bool:
    return table.column(column).logical_type == "text"


def _filled(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[tuple[Table, str]], raws: Mapping[str, RawTable]
) -> dict[str, int]:
    by_table: dict[str, list[tuple[Table, str]]] = {}
    for table, column in columns:
        by_table.setdefault(table.id, []).append((table, column))
    filled: dict[str, int] = {}
    for its in by_table.values():
        raw = raws[its[0][0].id]
        counts = ", ".join(
            f"count(nullif({text_bytes(identifier(column), raw.encodings.get(column, 'native'))}, ''::BLOB))"
            for _, column in its
        )
        paths = ", ".join(literal(str(path)) for path in raw.files)
        row = connection.execute(f"SELECT {counts} FROM read_parquet([{paths}])").fetchall()[0]
        filled |= {label_of(table, column): int(count) for (table, column), count in zip(its, row, strict=True)}
    return filled


def _with_places(connection: duckdb.DuckDBPyConnection, found: Sequence[FoundColumn]) -> list[FoundColumn]:
    """Each with its places; where several fit equally, the one whose name the column's shares, else one that no other column has."""
    rows = connection.execute(
        f"""
        SELECT label, root, strip, prefix, sum(rows) AS met
        FROM {PLACED}
        GROUP BY label, root, strip, prefix
        QUALIFY row_number() OVER (PARTITION BY label ORDER BY sum(rows) DESC, length(prefix), root, strip, prefix) <= {_CANDIDATES}
        ORDER BY met DESC, length(prefix), root, strip, prefix
        """
    ).fetchall()
    candidates: dict[str, list[tuple[_Place, int]]] = {}
    for label, root, strip, prefix, met in rows:
        candidates.setdefault(label, []).append(((root, strip, prefix), int(met)))
    taken: dict[str, set[_Place]] = {}

    def ties(one: FoundColumn) -> list[_Place]:
        best = candidates[one.label][0][1]
        return [place for place, met in candidates[one.label] if met == best]

    # A name that a file in every folder has identifies none of them.
    found = [one for one in found if len(ties(one)) <= _MOST_PLACES]
    complete: dict[str, FoundColumn] = {}
    for one in sorted(
        found, key=lambda one: (len(ties(one)) > 1, not any(share_a_word(one.column, p[2]) for p in ties(one)))
    ):
        others = taken.setdefault(one.table.id, set())
        first = min(ties(one), key=lambda place: (not share_a_word(one.column, place[2]), place in others))
        places = _cover(connection, one.label, first, [place for place, _ in candidates[one.label]])
        others.add(first)
        if _met(connection, one.label, places) >= _MOSTLY * one.matched:
            matched = _met(connection, one.label, places)
            one = replace(
                one, places=tuple(PathPlace(root=r, strip=s, prefix=p) for r, s, p in places), matched=matched
            )
        complete[one.label] = one
    return [complete[one.label] for one in found]


def _cover(
    connection: duckdb.DuckDBPyConnection, label: str, first: _Place, candidates: Sequence[_Place]
) -> list[_Place]:
    """The first place, and others that explain what it does not: a file of the same name in another folder is another file."""
    chosen = [first]
    for place in candidates:
        if len(chosen) == _MOST_PLACES:
            break
        if place in chosen:
            continue
        mine = _met(connection, label, [place])
        # One value in another spelling of the same folder is enough; one in another folder may be chance.
        is_same_folder = (place[0], place[2]) == (first[0], first[2])
        if (mine > 1 or is_same_folder) and _met(connection, label, [*chosen, place]) - _met(
            connection, label, chosen
        ) >= _OWN * mine:
            chosen.append(place)
    return chosen


def _met(connection: duckdb.DuckDBPyConnection, label: str, places: Sequence[_Place]) -> int:
    values = ", ".join(f"({literal(r)}, {literal(s)}, {literal(p)})" for r, s, p in places)
    query = f"""
        SELECT coalesce(sum(rows), 0)
        FROM (
            SELECT DISTINCT form, whole, value, rows
            FROM {PLACED}
            WHERE label = $label AND (root, strip, prefix) IN ({values})
        )
    """
    return int(connection.execute(query, {"label": label}).fetchall()[0][0])


def _are_of_a_file_field(
    connection: duckdb.DuckDBPyConnection,
    one: FoundColumn,
    raws: Mapping[str, RawTable],
    roots: Sequence[FileRoot],
) -> bool:
    """Whether its names without a folder are of files that FileFields of the table name with it."""
    by_name = {root.name: root for root in roots}
    there = {column.name for column in one.table.columns}
    fields = [(column, by_name[root]) for column, root in one.table.file_columns if root in by_name and column in there]
    if not fields:
        return False
    raw = raws[one.table.id]
    named = " UNION ALL ".join(
        f"SELECT {literal(root.name)} AS root, path FROM ({named_paths(column, raw, root)})" for column, root in fields
    )
    names, same = connection.execute(
        f"""
        SELECT coalesce(sum(rows), 0), coalesce(sum(rows) FILTER (taken), 0)
        FROM (
            SELECT form, whole, value, rows, bool_or((root, encode(below)) IN (SELECT root, path FROM ({named}))) AS taken
            FROM {PLACED}
            WHERE label = $label AND NOT contains(value, '/')
            GROUP BY form, whole, value, rows
        )
        """,
        {"label": one.label},
    ).fetchall()[0]
    return bool(same >= _MOSTLY * names)


def _without_rivals(found: Sequence[FoundColumn]) -> list[FoundColumn]:
    """Without columns of names that are those of files by chance: another column of the table names the same folder's files better."""

    def has_better(one: FoundColumn) -> bool:
        share = one.matched / one.filled
        return one.bare and share < _ALMOST_ALL and any(
            other.table.id == one.table.id and other.column != one.column and other.matched / other.filled > share
            and set(other.places) & set(one.places)
            for other in found
        )  # fmt: skip

    return [one for one in found if not has_better(one)]


def share_a_word(name: str, folder: str) -> bool:
    """Whether a column's or a model's name and that of a folder share a word: `archive_filename`, `documents/archive/`."""
    words, of_folder = (
        {word.rstrip("s") for word in re.split(r"[^a-z]+", text.lower()) if len(word) > 2} for text in (name, folder)
    )
    return not words.isdisjoint(of_folder)
