"""Check everything in a database but its rows: definitions, sequence positions, search indexes and the database's properties.

A restore that lost a trigger has the right rows, and is still not what was backed up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases.protocol import CapturedSchema, Database, LeftOut, View
from edms_tasks.manifest import Manifest, SequencePosition
from edms_tasks.structure.definitions_compared import DefinitionComparison, compare_definitions

_NAMED = 3
_LINES = 200


@dataclass(frozen=True)
class StructureCheck:
    """The expected and the found text of one check; it passed if they are equal."""

    subject: str
    measure: str
    expected: str
    found: str


@dataclass(frozen=True)
class Structure:
    """The checks of a database's structure, and notes for the administrator."""

    checks: tuple[StructureCheck, ...]
    notes: tuple[str, ...]


def check_structure(
    manifest: Manifest,
    captured: CapturedSchema,
    view: View,
    database: Database,
    scratch: Path,
    left_out: Sequence[LeftOut] = (),
) -> Structure:
    """Compare the restored database's structure with the snapshot's.

    Args:
        manifest: the snapshot's manifest; it has the positions of sequences.
        captured: the snapshot's native schema, fetched.
        view: a view of the restored database.
        database: the restored database; a temporary one is created on its server if definitions differ.
        scratch: folder for the restored database's schema; created.
        left_out: what the restore left out and has reported.
    """
    scratch.mkdir()
    again = view.capture_schema(scratch / "schema")
    compared = compare_definitions(captured, again, view, database, scratch / "replayed", left_out)
    excused = {one.subject for one in left_out}
    return Structure(
        (
            *_check_definitions(compared),
            _check_sequences(manifest.sequences, view.sequences()),
            _check_search_indexes(manifest, view),
            *_check_properties(view.properties(captured), view.properties(again), excused),
        ),
        compared.notes,
    )


def _check_definitions(compared: DefinitionComparison) -> Iterator[StructureCheck]:
    """A check for all definitions, and one for each that differs."""
    differing, same = len(compared.differences), _all(compared.compared)
    yield StructureCheck("schema", "definitions", same, f"{differing:,} that differ" if differing else same)
    for difference in compared.differences[:_LINES]:
        yield StructureCheck(difference.subject, "definition", difference.was, difference.now)
    if differing > _LINES:
        yield StructureCheck(
            "schema", "further definitions", "as they were", f"{differing - _LINES:,} more that differ"
        )


def _check_search_indexes(manifest: Manifest, view: View) -> StructureCheck:
    """Check that search indexes that passed the engine's check in the source pass it here (`search-index-checked`)."""
    # Another engine has no such indexes.
    asked = manifest.findings if manifest.engine == manifest.native_schema.engine else ()
    passed = {finding.subject for finding in asked if finding.code == "search-index-checked"}
    # `findings` may read whole tables, so it is called only if needed.
    all_found = view.findings() if passed else ()
    found = {finding.subject for finding in all_found if finding.code == "search-index-checked"}
    return StructureCheck(
        "search indexes",
        "that fit their rows",
        _all(len(passed)),
        _all(len(passed)) if passed <= found else _lacking(passed - found),
    )


def _check_properties(was: Mapping[str, str], now: Mapping[str, str], excused: Collection[str]) -> list[StructureCheck]:
    """Check the database's properties in both directions; no check if the snapshot has none, which the restore's notes say."""
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
    """(schema, name) -> positions: a list in order, because SQLite's table of positions may have a table twice."""
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
