"""Find ids that a declared reference holds in another spelling than the rows' own: 0000012 or 12.0 for 12.

They are looked up as they are written, so they lead to no row, and a merge does not change them. The EDMS reads them as numbers: after
the merge they would refer to the row that has this id then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.chunk_columns import ORPHAN
from edms_tasks.inventory.model import SoftReference
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.declared_without_ids import Accepted, subject_of
from edms_tasks.merging.id_map import WHOLE_NUMBERS
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.planning import Policy, written
from edms_tasks.quoting import identifier, literal

_SPELLED = r"0*[0-9]{1,18}(?:\.0+)?"


def respelled_ids(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policies: Mapping[str, Policy], accepted: Accepted
) -> tuple[list[str], list[Conflict]]:
    """The columns that the user accepts as they are, and a conflict for each other column with such ids in rows to be written."""
    waved, conflicts = [], []
    for source in matched.sources.values():
        for reference in source.table.soft_references if source.rows else ():
            subject = subject_of(source.table, source.table.column(reference.column))
            for count, examples in _respelled(cursor, matched, policies[source.table.id], source, reference):
                if accepted.column(subject):
                    waved.append(subject)
                else:
                    conflicts.append(_conflict(subject, matched.sources[reference.target], count, examples))
    return waved, conflicts


def _respelled(
    cursor: duckdb.DuckDBPyConnection, matched: Matched, policy: Policy, source: Identified, reference: SoftReference
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(number of ids, examples), if there are any."""
    table, ids = source.table, matched.id_maps.get(reference.target)
    target = matched.targets.get(reference.target)
    if (
        ids is None
        or target is None
        or ids.kind not in WHOLE_NUMBERS
        or ids.table.primary_key != (reference.target_column,)
    ):
        return
    held = next((one for one in source.side.keys.soft.get(table.id, ()) if one.column == reference.column), None)
    if held is None or reference.name not in held.references:
        return
    marks = f"v.r{held.references.index(reference.name)}"
    (is_orphaned,) = cursor.execute(
        f"SELECT coalesce(bool_or(contains({marks}, {literal(ORPHAN)})), false) FROM {held.relation} v"
    ).fetchall()[0]
    if not is_orphaned:
        return  # as nearly always; the rows need not be joined
    value = text_of(f"s.{identifier(reference.column)}", source.side.keys.types[table.id][reference.column])
    number = "TRY_CAST(regexp_replace(id, '\\.0+$', '') AS BIGINT)"
    own = f"SELECT CAST({identifier(reference.target_column)} AS BIGINT) FROM {target.relation}"
    (count, examples) = cursor.execute(
        f"""
        SELECT count(*), list(DISTINCT id)[:3]
        FROM (
            SELECT unnest(json_extract_string({marks}, '$[*].nowhere')) AS id
            FROM {source.relation} s
                JOIN {matched.rewritten[table.id].relation} r ON {paired("s", "r")}
                JOIN {held.relation} v ON v.value = {value} AND v.reading = {held.number_of("s")}
            WHERE r.{written(policy)} AND contains({marks}, {literal(ORPHAN)})
        )
        WHERE regexp_full_match(id, {literal(_SPELLED)}) AND CAST({number} AS VARCHAR) <> id
            AND (
                {number} IN (SELECT source FROM {ids.changed})
                OR ({number} IN ({own}) AND {number} NOT IN (SELECT source FROM {ids.relation}))
            )
        """
    ).fetchall()[0]
    if count:
        yield int(count), tuple(sorted(examples))


def _conflict(subject: str, target: Identified, count: int, examples: tuple[str, ...]) -> Conflict:
    return make_conflict(
        "id-spelled-differently",
        subject,
        f"The declared reference holds ids of {target.table.label} that are not written like the rows' own. They "
        "lead to no row, so the merge would not change them, and then they would refer to another row.",
        count=count,
        examples=examples,
        fix="For numbers padded with zeros declare their width: pattern = "
        '"{pk:07}" for seven digits. Otherwise correct the values in the EDMS and back it up again. If they are no ids: '
        f"--not-a-reference {subject}.",
    )
