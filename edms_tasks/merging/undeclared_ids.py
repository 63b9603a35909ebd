"""Search the rows to be written for undeclared references to rows whose ids change: they would refer to other rows after the merge.

Every column without a declared reference is searched. A place that is likely to contain such ids is a conflict, so that nothing
is written until the user declares it as a reference or as none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import duckdb
import pyarrow as pa

from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.inventory.model import Column, Table
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.declared_without_ids import Accepted, subject_of
from edms_tasks.merging.id_map import IdMap
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.search_coverage import SearchCoverage
from edms_tasks.quoting import identifier
from edms_tasks.soft.readings import UNREAD
from edms_tasks.soft.value_rewriting import rewriter
from edms_tasks.undeclared.collected_values import IN_NAMES, make_values
from edms_tasks.undeclared.ids_in_columns import Mask, collect_by_kind, collect_column
from edms_tasks.undeclared.ids_in_file_names import collect_file_names
from edms_tasks.undeclared.likely_ids import PATHS, TARGET_IDS, Suspect, find_suspects
from edms_tasks.undeclared.names_of_models import IDS_OF_ANYTHING, Names
from edms_tasks.undeclared.open_columns import open_columns
from edms_tasks.undeclared.place_descriptions import described
from edms_tasks.undeclared.readable_bytes import bytes_text, has_bytes

_ID_TYPES = ("integer", "uuid")
_WORDS = "value object target ref reference key item subject entity content data param argument arg operand"
_TELLING = frozenset(_WORDS.split())
_MOST_BESIDE = 8
_MOSTLY = 0.5
_IN_BYTES = (
    "Ids in bytes cannot be declared or rewritten. Leave the table out with [exclude], or merge with --not-a-reference {} and "
    "correct these rows in the EDMS after the merge. If they are not ids, nothing is to be corrected."
)


def find_undeclared(
    cursor: duckdb.DuckDBPyConnection,
    matched: Matched,
    policies: Mapping[str, Policy],
    accepted: Accepted,
    covered: Mapping[str, Collection[str]],
    names: Mapping[str, Sequence[str]],
) -> tuple[SearchCoverage, list[Conflict]]:
    """Search the rows to be written for ids that change and that no reference covers; returns what was searched, and the conflicts.

    Args:
        cursor: where to compute.
        matched: both sides, with the new ids.
        policies: table id -> what happens to rows that are on both sides and differ.
        accepted: what the user declares to contain no ids.
        covered: table id -> columns that are known to contain no ids, because they name files or positions in a tree.
        names: root -> the names of files to be added that belong to no row and are not as a declaration says.
    """
    tables = {table_id: source.table for table_id, source in matched.sources.items()}
    targets = _tabulate_ids(cursor, matched)
    moving = tuple(target.label for target in targets if matched.id_maps[target.id].moved)
    if not moving:
        return SearchCoverage(), []
    make_values(cursor)
    counters, paths, looked = set[str](), dict[str, str](), 0
    in_bytes, unread = set[str](), list[str]()
    known, own = Names(targets, tables), dict[str, str]()
    for table_id, source in matched.sources.items():
        is_written, in_key = _is_written(matched, table_id, policies[table_id]), _columns_of_key(source)
        for column in open_columns(source.table, covered[table_id], _of_others(known, targets, table_id)):
            if not is_written and column.name not in in_key:
                continue
            looked += 1
            if (column.name,) == source.table.primary_key:
                own[subject_of(source.table, column)] = table_id
            if not source.rows:
                continue
            # Rows that were matched by such a value are matched with others' rows if it is an id, whether they are written or not.
            touched = "true" if column.name in in_key else f"coalesce(r.{written(policies[table_id])}, false)"
            forms = _collect(cursor, matched, source, column, touched)
            has_bytes, are_unread = _collect_bytes(cursor, matched, source, column, touched)
            if has_bytes:
                in_bytes.add(subject_of(source.table, column))
            if are_unread:
                unread.append(subject_of(source.table, column))
            if _repeats_own_key(cursor, source, column):
                counters.add(subject_of(source.table, column))
            if (has_bytes or forms.intersection(PATHS)) and _is_path_to_itself(cursor, source, column):
                paths[subject_of(source.table, column)] = table_id
    for root, listed in names.items():
        _collect_names(cursor, root, listed)
    by_name_only = {number for number, target in enumerate(targets) if target.name in IDS_OF_ANYTHING}
    suspects = find_suspects(cursor, targets, known, by_name_only=by_name_only, counters=counters, paths=paths, own=own)
    conflicts, waved = [], []
    for subject, found in _by_subject(suspects).items():
        root, _, pattern = subject.partition(":")
        if accepted.file(root, pattern) if pattern else accepted.column(subject):
            waved.append(subject)
        else:
            conflicts.append(
                _names_conflict(subject, found, targets)
                if pattern
                else _conflict(subject, found, targets, in_bytes=subject in in_bytes)
            )
    files = sum(len(listed) for listed in names.values())
    coverage = SearchCoverage(
        models=moving, columns=looked, files=files, unread=tuple(unread), accepted=tuple(sorted(waved))
    )
    return coverage, conflicts


def _tabulate_ids(cursor: duckdb.DuckDBPyConnection, matched: Matched) -> list[Table]:
    """The ids of the snapshot's rows, and whether each changes; returns the tables by their number in it."""
    cursor.execute(
        f"CREATE OR REPLACE TABLE {TARGET_IDS} (target INTEGER, value VARCHAR, number BIGINT, moves BOOLEAN)"
    )
    targets: list[Table] = []
    for table_id, id_map in matched.id_maps.items():
        table = matched.sources[table_id].table
        link = any(reference.kind == "many_to_many" for reference in table.references)
        if link or not matched.sources[table_id].rows or not _is_id(table, id_map):
            continue
        value = bare_uuid("CAST(source AS VARCHAR)")
        cursor.execute(
            f"INSERT INTO {TARGET_IDS} SELECT {len(targets)}, {value}, TRY_CAST({value} AS BIGINT), final IS DISTINCT FROM source "
            f"FROM {id_map.relation} WHERE NOT is_orphan"
        )
        targets.append(table)
    return targets


def _is_id(table: Table, id_map: IdMap) -> bool:
    """Whether a model's ids are of a kind that is looked for: numbers and UUIDs, and no key that is another model's."""
    (pk,) = table.primary_key
    shared = table.parent is not None or pk in table.soft_columns
    return not shared and (table.column(pk).logical_type in _ID_TYPES or id_map.kind == "UUID")


def _of_others(known: Names, targets: Sequence[Table], table_id: str) -> Callable[[str], bool]:
    """Whether a name means the ids of a model other than this table's."""

    def means_others(name: str) -> bool:
        meaning = known.meant(name, several=False)
        return meaning.strength in ("reference", "model") and any(
            targets[one].id != table_id for one in meaning.targets
        )

    return means_others


def _is_written(matched: Matched, table_id: str, policy: Policy) -> bool:
    rows = matched.rewritten[table_id]
    return bool(rows.inserts or (rows.updates and policy == "overwrite"))


def _columns_of_key(source: Identified) -> set[str]:
    """The columns whose own values identify the rows of a table; none if the primary key does."""
    key = source.side.keys.keys[source.table.id].natural_key
    return {path[0] for path in key.paths if len(path) == 1} if key is not None and key.source != "surrogate" else set()


def _collect(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, source: Identified, column: Column, touched: str
) -> set[str]:
    """Add a column's values to `VALUES`; returns the names of the forms in which its texts may hold ids."""
    forms: set[str] = set()
    table = source.table
    rows = matched.rewritten[table.id]
    text = source.text(column.name, "s")
    for where, mask in _parts(source, column):
        joined = f"{source.relation} s LEFT JOIN {rows.relation} r ON {paired('s', 'r')} WHERE {where}"
        forms |= collect_column(
            cursor,
            subject_of(table, column),
            column,
            f"(SELECT {text} AS text, {touched} AS touched FROM {joined})",
            mask,
            texts=f"(SELECT {text} AS text FROM {source.relation} s WHERE {where})",
        )
        is_telling = column.logical_type in ("text", "other") and column.name.lower().rpartition("_")[2] in _TELLING
        if is_telling and mask is None:
            beside = [
                (
                    one.name,
                    f"(SELECT {text} AS text, {source.text(one.name, 's')} AS kind, {touched} AS touched FROM {joined})",
                )
                for one in table.stored_columns
                if one.name not in (column.name, *table.primary_key)
                and one.logical_type in ("integer", "text", "other")
            ]
            collect_by_kind(cursor, subject_of(table, column), column, beside[:_MOST_BESIDE])
    return forms


def _collect_bytes(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, source: Identified, column: Column, touched: str
) -> tuple[bool, bool]:
    """Add the values of a column that are bytes; returns whether there are any to be written, and whether some could not be read.

    No declaration speaks of them: ids in bytes are not rewritten.
    """
    held = source.storage(column.name)
    if held.kind != "BLOB" and not held.tagged:
        return False, False
    value = f"s.{identifier(column.name)}"
    text, condition = bytes_text(value, tagged=held.tagged), has_bytes(value, held.kind, tagged=held.tagged)
    joined = f"{source.relation} s LEFT JOIN {matched.rewritten[source.table.id].relation} r ON {paired('s', 'r')}"
    rows = f"(SELECT {text} AS text, {touched} AS touched FROM {joined} WHERE {condition})"
    collect_column(cursor, subject_of(source.table, column), column, rows)
    found = cursor.execute(f"SELECT bool_or(touched), bool_or(touched AND text IS NULL) FROM {rows}").fetchall()[0]
    return bool(found[0]), bool(found[1])


def _collect_names(cursor: duckdb.DuckDBPyConnection, root: str, names: Sequence[str]) -> None:
    readable = [name for name in names if name.isprintable()]  # only texts can contain ids by a pattern
    if readable:
        cursor.register("names_of_files", pa.table({"path": readable}))
        collect_file_names(cursor, root, "names_of_files")
        cursor.unregister("names_of_files")


def _parts(source: Identified, column: Column) -> list[tuple[str, Mask | None]]:
    """The rows that are read in one way: a condition, and what takes the declared ids out of their texts.

    Each declared id becomes 0, which is nobody's id. Rows of which every value is declared as an id are left out.
    """
    held = next((one for one in source.side.keys.soft.get(source.table.id, ()) if one.column == column.name), None)
    if held is None:
        return [("true", None)]
    number = held.number_of("s")
    masked = [
        (f"{number} = {position}", rewriter(reading, [lambda _: "0"] * len(held.references)))
        for position, reading in enumerate(held.readings)
        if reading.in_json or reading.spots[0].place.form != "value"
    ]
    return [*masked, (f"{number} = {UNREAD}", None)] if any(one.where for one in held.readings) else [*masked]


def _repeats_own_key(cursor: duckdb.DuckDBPyConnection, source: Identified, column: Column) -> bool:
    """Whether a column runs along with its own table's primary key: a counter, not a reference."""
    table = source.table
    if column.logical_type != "integer" or len(table.primary_key) != 1:
        return False
    value, pk = source.text(column.name, "s"), source.text(table.primary_key[0], "s")
    (same, filled) = cursor.execute(
        f"SELECT count(*) FILTER ({value} = {pk}), count({identifier(column.name)}) FROM {source.relation} s"
    ).fetchall()[0]
    return bool(same > _MOSTLY * filled)


def _is_path_to_itself(cursor: duckdb.DuckDBPyConnection, source: Identified, column: Column) -> bool:
    """Whether each value is a list that ends with its own row's primary key, as the places in a tree do: /12/34/."""
    table = source.table
    declared = any(one.column == column.name for one in table.soft_references)
    if column.logical_type != "text" or len(table.primary_key) != 1 or declared:
        return False
    value, pk = source.text(column.name, "s"), source.text(table.primary_key[0], "s")
    last = f"regexp_extract({value}, '^.*[,;|/.]([0-9A-Fa-f-]+)[,;|/.]?$', 1)"
    separated = f"regexp_matches({value}, '[0-9A-Fa-f][,;|/.][0-9A-Fa-f]')"
    own = " OR ".join(f"{one} = {pk}" for one in (last, f"ltrim({last}, '0')", value, f"ltrim({value}, '0')"))
    (same, filled, deep) = cursor.execute(
        f"SELECT count(*) FILTER ({own}), count(nullif({value}, '')), count(*) FILTER ({separated}) "
        f"FROM {source.relation} s"
    ).fetchall()[0]
    return bool(deep and same == filled)


def _by_subject(suspects: Sequence[Suspect]) -> dict[str, list[Suspect]]:
    found: dict[str, list[Suspect]] = {}
    for suspect in suspects:
        name = suspect.place.name if suspect.place.form == IN_NAMES else suspect.place.subject
        found.setdefault(name, []).append(suspect)
    return found


def _conflict(subject: str, found: Sequence[Suspect], targets: Sequence[Table], *, in_bytes: bool) -> Conflict:
    ranked = sorted(found, key=lambda suspect: -suspect.hits)
    places = [
        f"{described(one.place)}: ".removeprefix(": ")
        + f"{' or '.join(targets[target].label for target in one.targets)}, such as {', '.join(one.examples)}"
        for one in ranked
    ]
    models = dict.fromkeys(targets[target].label for one in ranked for target in one.targets)
    return make_conflict(
        "undeclared-reference",
        subject,
        f"The column seems to contain ids of {', '.join(models)} without a declaration. These rows get new ids, but the column "
        "would keep the old ones.",
        count=sum(one.hits for one in ranked),
        examples=tuple(places[:5]),
        fix=_IN_BYTES.format(subject)
        if in_bytes
        else "Declare what it holds under [[soft_references]] in the settings (`edms-backup doctor` suggests the lines; no new "
        f"snapshot is needed). If they are not ids: --not-a-reference {subject}.",
    )


def _names_conflict(subject: str, found: Sequence[Suspect], targets: Sequence[Table]) -> Conflict:
    root, _, pattern = subject.partition(":")
    models = dict.fromkeys(targets[target].label for one in found for target in one.targets)
    return make_conflict(
        "undeclared-file-name",
        subject,
        f"File names seem to contain ids of {' or '.join(models)}, and no row names these files. The rows get new ids. Under their "
        "old names the files would belong to other rows.",
        count=sum(one.hits for one in found),
        examples=tuple(example for one in found for example in one.examples)[:3],
        fix=f'Declare them: [[soft_references]] files = "{root}", name = "{pattern}", target = "{next(iter(models))}". If they '
        f"are not ids: --not-a-reference '{subject}'.",
    )
