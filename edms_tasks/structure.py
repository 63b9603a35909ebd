"""What a database is besides its rows: every index, constraint, trigger and view, and where its sequences stand.

A restore that lost a trigger has all rows right and is still not what was backed up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases.protocol import CapturedSchema, LeftOut, View
from edms_tasks.manifest import Manifest
from edms_tasks.manifest import Sequence as SequencePosition

_NAMED = 3


@dataclass(frozen=True)
class StructureCheck:
    """One kind of thing, as it was and as it is: equal texts mean equal things."""

    subject: str
    measure: str
    expected: str
    found: str


def check_structure(
    manifest: Manifest, captured: CapturedSchema, view: View, scratch: Path, left_out: Sequence[LeftOut] = ()
) -> tuple[StructureCheck, ...]:
    """Hold the restored database's own description of itself against the snapshot's.

    Args:
        captured: the snapshot's native schema, fetched.
        view: the restored database.
        scratch: where the restored database's schema is written.
        left_out: what the restore could not give back, and says so.
    """
    excused = {one.subject for one in left_out}
    again = view.capture_schema(scratch)
    was, now = view.objects(captured) - excused, view.objects(again) - excused
    return (
        StructureCheck("schema", "objects", _all(len(was)), _all(len(was)) if was <= now else _lacking(was - now)),
        _check_sequences(manifest.sequences, view.sequences()),
        _check_search_indexes(manifest, view),
        *_check_properties(view.properties(captured), view.properties(again), excused),
    )


def _check_search_indexes(manifest: Manifest, view: View) -> StructureCheck:
    """Indexes that passed the engine's own check in the source must pass it here (`search-index-checked`)."""
    # In a database of another engine there are none.
    asked = manifest.findings if manifest.engine == manifest.native_schema.engine else ()
    passed = {finding.subject for finding in asked if finding.code == "search-index-checked"}
    found = {finding.subject for finding in view.findings() if finding.code == "search-index-checked"}
    return StructureCheck(
        "search indexes",
        "that fit their rows",
        _all(len(passed)),
        _all(len(passed)) if passed <= found else _lacking(passed - found),
    )


def _check_properties(was: Mapping[str, str], now: Mapping[str, str], excused: Collection[str]) -> list[StructureCheck]:
    """The database as a whole, both ways; nothing where the snapshot does not say, and the restore's notes say so."""
    if not was:
        return []
    wrong = [
        f"{name} is {now.get(name, 'absent')}, not {was.get(name, 'absent')}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name) and name not in excused
    ]
    same = _all(len(was.keys() - excused))
    return [StructureCheck("database", "properties", same, _some(wrong) if wrong else same)]


def _check_sequences(was: Sequence[SequencePosition], now: Sequence[SequencePosition]) -> StructureCheck:
    wanted, positions = _by_name(was), _by_name(now)
    wrong = [
        f"{name} is at {_said(positions.get((schema, name), []))}, not {_said(sequences)}"
        for (schema, name), sequences in wanted.items()
        if positions.get((schema, name)) != sequences
    ]
    found = _all(len(was)) if not wrong else _some(wrong)
    return StructureCheck("sequences", "positions", _all(len(was)), found)


def _by_name(sequences: Sequence[SequencePosition]) -> dict[tuple[str | None, str], list[SequencePosition]]:
    """Lists, because SQLite's table of positions may name a table twice; which comes first then counts."""
    found: dict[tuple[str | None, str], list[SequencePosition]] = {}
    for sequence in sequences:
        found.setdefault((sequence.schema_name, sequence.name), []).append(sequence)
    return found


def _said(sequences: Sequence[SequencePosition]) -> str:
    if not sequences:
        return "nothing"
    return " and ".join(f"{s.last_value}" + ("" if s.is_called else " (not used yet)") for s in sequences)


def _all(number: int) -> str:
    return f"all {number:,}"


def _lacking(objects: Collection[str]) -> str:
    return "missing " + _some(sorted(" ".join(name.split())[:80] for name in objects))


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return "; ".join(names[:_NAMED]) + more
