"""Compare the definitions of two schemas in both directions: missing, extra and altered ones.

A server may write the same definition differently from the snapshot: it parses a text and prints it in its own spelling,
which changes between versions. So differing definitions are checked on the server itself: the snapshot's schema is created
again in a temporary database, and definitions that are equal there and in the restored database are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import Database, open_database
from edms_tasks.databases.protocol import CapturedSchema, Definition, LeftOut, View
from edms_tasks.errors import EdmsBackupError

_LONGEST = 300
_NAMED = 5


@dataclass(frozen=True)
class DefinitionDifference:
    """A definition that differs from the snapshot's; `was` and `now` are shortened."""

    subject: str
    was: str
    now: str


@dataclass(frozen=True)
class DefinitionComparison:
    """The result of a comparison."""

    compared: int  # number of the snapshot's definitions that were compared
    differences: tuple[DefinitionDifference, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Spelled:
    """The snapshot's definitions as this server writes them, or why they could not be determined."""

    definitions: Mapping[str, Definition] | None
    why: str = ""


def compare_definitions(
    captured: CapturedSchema,
    again: CapturedSchema,
    view: View,
    database: Database,
    folder: Path,
    left_out: Sequence[LeftOut] = (),
) -> DefinitionComparison:
    """Compare the snapshot's schema with that of a restored database.

    Args:
        captured: the snapshot's schema.
        again: the restored database's schema, captured from `view`.
        view: a view of the restored database.
        database: the restored database; the temporary one is created on its server.
        folder: for temporary files.
        left_out: what the restore left out and has reported.
    """
    was, now = _by_subject(view.definitions(captured)), _by_subject(view.definitions(again))
    # Snapshots of release 0.1.0 have no versions (of extensions, for example); the objects themselves are compared.
    says_versions = any(one.chosen_by_server for one in was.values())
    differing = [
        name
        for name, one in {**was, **now}.items()
        if _compared(was, name) != _compared(now, name)
        and (one.part_of in was) == (one.part_of in now)
        and (says_versions or not one.chosen_by_server)
    ]
    excused: dict[str, list[LeftOut]] = {}
    for one_left in left_out:
        excused.setdefault(one_left.subject, []).append(one_left)
    open_ones = [name for name in differing if not _is_excused(name, was, now, excused.get(name, []))]
    spelled = _spell(captured, database, folder) if open_ones else _Spelled({})
    another_server = _major(captured) != _major(again)
    sure, unsure, notes = [], [], []
    for name in open_ones:
        if name in was and name not in now and was[name].lapse:
            notes.append(f"{name}: {was[name].text} at the backup; it is enforced now.")
        elif (
            spelled.definitions is None
            and name in was
            and name in now
            and (another_server or name in excused or was[name].chosen_by_server)
        ):
            unsure.append(name)
        elif not (name in now and _compared(spelled.definitions or {}, name) == _compared(now, name)):
            sure.append(name)
        elif name in was and was[name].chosen_by_server:
            notes.append(f"{name}: {was[name].text} at the backup, {now[name].text} on this server.")
        elif name not in was:
            notes.append(f"{name} is new: this server adds it to the snapshot's schema.")
    if unsure:
        notes.append(
            f"{len(unsure):,} definitions are written differently there and were not compared, because {spelled.why}: {_some(unsure)}."
        )
    elif sure and spelled.why:
        notes.append(f"It could not be determined whether differing definitions mean the same, because {spelled.why}.")
    differences = [_difference(name, was.get(name), now.get(name)) for name in sure]
    left = [name for name in differing if name in was and name not in open_ones]
    return DefinitionComparison(len(was) - len(unsure) - len(left), tuple(differences), tuple(notes))


def _is_excused(
    name: str, was: Mapping[str, Definition], now: Mapping[str, Definition], left_out: Sequence[LeftOut]
) -> bool:
    """Whether what was left out explains the difference: only that is missing, or the restore created what it reported instead."""
    if not left_out:
        return False
    if name in was and was[name].pieces:
        left = {one.statement for one in left_out}
        expected = [piece for piece in was[name].pieces if piece not in left]
        return sorted(now[name].pieces if name in now else ()) == sorted(expected)
    if name not in now:
        return True
    return any(one.instead is not None and one.instead.split() == now[name].text.split() for one in left_out)


def _spell(captured: CapturedSchema, database: Database, folder: Path) -> _Spelled:
    folder.mkdir(parents=True)
    with ExitStack() as cleanup:
        try:
            address = cleanup.enter_context(database.replayed(captured, folder))
        except EdmsBackupError as error:
            return _Spelled(
                None, f"no second database could be created from it ({' '.join(f'{error.what} {error.why}'.split())})"
            )
        view = cleanup.enter_context(open_database(address).view(folder, 1))
        return _Spelled(_by_subject(view.definitions(view.capture_schema(folder / "schema"))))


def _by_subject(definitions: Iterable[Definition]) -> dict[str, Definition]:
    return {definition.subject: definition for definition in definitions}


def _compared(definitions: Mapping[str, Definition], name: str) -> str | None:
    return definitions[name].compared if name in definitions else None


def _major(schema: CapturedSchema) -> str:
    return schema.server_version.partition(".")[0]


def _difference(name: str, was: Definition | None, now: Definition | None) -> DefinitionDifference:
    if was is None:
        return DefinitionDifference(name, "nothing", f"extra: {_short(now)}")
    if now is None:
        return DefinitionDifference(name, _short(was), "missing")
    if was.private or now.private:
        return DefinitionDifference(name, "(not shown: it may hold a password)", "another definition (not shown)")
    before, after = _lines(was.compared), _lines(now.compared)
    gone, new = [one for one in before if one not in after], [one for one in after if one not in before]
    if not gone and not new:
        return DefinitionDifference(name, _cut(" ".join(before)), _cut("in another order: " + " ".join(after)))
    return DefinitionDifference(
        name, _cut(" … ".join(gone)) or "without what is new", _cut(" … ".join(new)) or "without it"
    )


def _short(definition: Definition | None) -> str:
    if definition is None:
        return ""
    return "(not shown: it may hold a password)" if definition.private else _cut(definition.text)


def _lines(text: str) -> list[str]:
    return [line for line in (line.strip().rstrip(",;") for line in text.splitlines()) if line]


def _cut(text: str) -> str:
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(_cut(name) for name in names[:_NAMED]) + more
