"""Check a profile line by line: whether what it names exists, and what it finds on the real rows.

A line is the smallest part that can be wrong by itself: one key, one declared reference, one sensitive column. Lines are
tried in order, each together with the right ones before it; so a wrong line does not hide those after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
from pydantic import BaseModel

from edms_tasks.count_text import count_text
from edms_tasks.doctor.orphaned_references import Followed, follow_references
from edms_tasks.doctor.root_listing import FILE_NAMES, WalkedRoot
from edms_tasks.errors import SettingsError
from edms_tasks.files.declared_ids_in_names import matching
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.inventory.model import FileNameReference, Finding, Inventory, Reference, Table, Value
from edms_tasks.keys.checked_keys import CheckedKeys, ids_of
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import relation
from edms_tasks.settings import ExcludeSettings, Settings
from edms_tasks.unknown_names import closest_name

Verdict = Literal["right", "nothing", "wrong"]
_FREE = "natural_keys"  # the section whose entries are named by the user
_NAMES_AT_ONCE = 65_536
_LONGEST = 300


class ProfileLine(Value):
    """A line and its verdict."""

    section: str
    line: str
    verdict: Verdict  # "nothing": no error, but it finds nothing on these rows
    count: int
    found: str
    fix: str = ""


@dataclass(frozen=True)
class ProfileEntry:
    """One line, as settings without any other line."""

    section: str
    line: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Tried:
    """The result of trying a line: the references that it adds, or the error."""

    entry: ProfileEntry
    references: tuple[tuple[str, Reference], ...] = ()  # with their table's id
    file_names: tuple[FileNameReference, ...] = ()
    error: SettingsError | None = None


def entries_of(values: Mapping[str, Any]) -> Iterator[ProfileEntry]:
    """The lines of parsed TOML, in their order."""
    for section, value in values.items():
        if isinstance(value, list):
            for one in value:
                yield ProfileEntry(section, _inline(one), {section: [one]})
            continue
        for key, one in value.items():
            if isinstance(one, list) and section != _FREE:
                for item in one:
                    yield ProfileEntry(section, f"{key}: {_plain(item)}", {section: {key: [item]}})
            elif isinstance(one, dict):
                for name, item in one.items():
                    yield ProfileEntry(section, f"{key}: {name} = {_plain(item)}", {section: {key: {name: item}}})
            else:
                yield ProfileEntry(section, f"{key} = {_inline(one)}", {section: {key: one}})


def try_lines(
    entries: Sequence[ProfileEntry],
    read: Callable[[Mapping[str, Any]], Settings],
    build: Callable[[Settings], Inventory],
) -> tuple[Settings, tuple[Tried, ...]]:
    """Try each line together with the right ones before it.

    Args:
        entries: the lines.
        read: settings from parsed TOML; raises SettingsError.
        build: builds the inventory with these settings; raises SettingsError.

    Returns:
        the settings with all right lines, and the result for each line
    """
    taken: Mapping[str, Any] = {}
    settings = read(taken)
    before = build(settings)
    tried = []
    for entry in entries:
        together = _merged(taken, entry.settings)
        try:
            with_it = read(together)
            after = build(with_it)
        except SettingsError as error:
            tried.append(Tried(entry, error=error))
            continue
        known = {(table.id, reference) for table in before.tables for reference in table.references}
        references = [(table.id, reference) for table in after.tables for reference in table.references]
        tried.append(
            Tried(
                entry,
                tuple(pair for pair in references if pair not in known),
                tuple(one for one in after.file_names if one not in before.file_names),
            )
        )
        taken, settings, before = together, with_it, after
    return settings, tuple(tried)


def with_lines(settings: Settings, profile: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings of an EDMS with a profile's in place of what may have come from it already.

    Args:
        settings: of the EDMS.
        profile: the profile's lines as settings.
        values: the same lines as parsed TOML: what else `profile` has comes from the environment, or is a default.
    """
    changes: dict[str, Any] = {"natural_keys": {}, "soft_references": (), "exclude": ExcludeSettings()}
    for name, field in Settings.model_fields.items():
        if (said := values.get(field.alias or name)) is None:
            continue
        value = getattr(profile, name)
        if isinstance(value, BaseModel):
            fields = type(value).model_fields
            given = {key: getattr(value, key) for key in fields if (fields[key].alias or key) in said}
            own = changes.get(name, getattr(settings, name))
            changes[name] = own.model_copy(update=given)
        else:
            changes[name] = value
    if "files" in changes:
        roots = {**settings.files.roots, **profile.files.roots}
        changes["files"] = changes["files"].model_copy(update={"roots": roots})
    return settings.model_copy(update=changes)


def assess_lines(tried: Sequence[Tried], keys: CheckedKeys, roots: Sequence[WalkedRoot]) -> tuple[ProfileLine, ...]:
    """The verdict on each line, with what it finds on the rows and files."""
    followed = {
        (table.id, one.reference): one for table in keys.tables.values() for one in follow_references(table, keys)
    }
    with keys.workspace.cursor() as cursor:
        assessor = _Assessor(cursor, keys, roots, followed)
        return tuple(assessor.line(one) for one in tried)


@dataclass(frozen=True)
class _Assessor:
    cursor: duckdb.DuckDBPyConnection
    keys: CheckedKeys
    roots: Sequence[WalkedRoot]
    followed: Mapping[tuple[str, Reference], Followed]

    def line(self, tried: Tried) -> ProfileLine:
        """The verdict on one line."""
        entry = tried.entry
        if tried.error is not None:
            why = " ".join(part for part in (tried.error.what, tried.error.why) if part)
            return _line(entry, "wrong", 0, why, tried.error.fix)
        if entry.section == _FREE:
            return self._key(entry)
        if tried.references or tried.file_names:
            return self._references(tried)
        if entry.section == "soft_references":
            return _line(entry, "nothing", 0, "the models declare this reference already")
        if entry.section == "validate" and (names := entry.settings["validate"].get("sensitive")):
            return self._column(entry, str(names[0]))
        if (
            entry.section == "merge"
            and (names := entry.settings["merge"].get("not_references"))
            and ":" not in names[0]
        ):
            return self._column(entry, str(names[0]))
        if entry.section == "exclude":
            return self._left_out(entry)
        if entry.section == "files" and (roots := entry.settings["files"].get("roots")):
            found = next(root.files for root in self.roots if root.root.name in roots)
            return _counted(entry, found, "file")
        return _line(entry, "right", 0, "a setting; there is nothing to count")

    def _key(self, entry: ProfileEntry) -> ProfileLine:
        name = next(iter(entry.settings[_FREE]))
        table = self._table(name)
        assert table is not None  # otherwise building the inventory would have failed
        rows = self.keys.raws[table.id].rows
        key = self.keys.keys[table.id].natural_key
        told: list[Finding] = [
            finding
            for finding in self.keys.findings
            if finding.subject == table.label and finding.code.startswith("natural-key")
        ]
        if key is not None and key.source == "settings":
            nulls = self.keys.keys[table.id].nulls
            more = f"; in {nulls:,} a part is NULL" if nulls else ""
            return _line(entry, "right" if rows else "nothing", rows, f"the key of {count_text(rows, 'row')}{more}")
        why = " ".join(finding.message for finding in told) or "It is not the key that is used."
        return _line(entry, "wrong", rows, why, next((finding.fix for finding in told if finding.fix), ""))

    def _references(self, tried: Tried) -> ProfileLine:
        followed = [self.followed[pair] for pair in tried.references if pair in self.followed]
        files = [self._named_files(reference) for reference in tried.file_names]
        ids = sum(one.ids for one in followed) + sum(count for count, _ in files)
        lost = sum(one.lost for one in followed) + sum(count for _, count in files)
        rows = count_text(sum(one.filled for one in followed), "row")
        found = count_text(ids, "id") + (" in names of files" if tried.file_names else f" in {rows}")
        if ids and ids == lost:
            fix = "Check the target, and where the ids are."
            return _line(tried.entry, "wrong", ids, f"{found}; none leads to a row of the target", fix)
        return _line(
            tried.entry,
            "right" if ids else "nothing",
            ids,
            found + (f"; {lost:,} {'leads' if lost == 1 else 'lead'} to no row" if lost else ""),
        )

    def _named_files(self, reference: FileNameReference) -> tuple[int, int]:
        if reference.target not in self.keys.tables:
            return 0, 0
        files = f"(SELECT path, '' AS sha256 FROM {FILE_NAMES} WHERE root = {literal(reference.root)})"
        ids = ids_of(self.cursor, self.keys, reference.target, reference.target_column)
        counts = f"SELECT count(*), count(*) FILTER (is_orphan) FROM ({matching(files, reference, ids)})"
        matched, orphans = self.cursor.execute(counts).fetchall()[0]
        return int(matched), int(orphans)

    def _column(self, entry: ProfileEntry, name: str) -> ProfileLine:
        label, _, column = name.rpartition(".")
        table = self._table(label)
        if table is None:
            labels = [one.label for one in self.keys.tables.values()]
            return _line(entry, "wrong", 0, f"There is no model or table {label!r}.", closest_name(label, labels))
        known = {**{one.name.lower(): one.name for one in table.columns}}
        known |= {one.field.lower(): one.name for one in table.columns if one.field}
        if column.lower() not in known:
            return _line(entry, "wrong", 0, f"{table.label} has no column {column!r}.", closest_name(column, known))
        counts = f"SELECT count({identifier(known[column.lower()])}) FROM {relation(table, self.keys.raws[table.id])}"
        return _counted(entry, int(self.cursor.execute(counts).fetchall()[0][0]), "value")

    def _left_out(self, entry: ProfileEntry) -> ProfileLine:
        said = entry.settings["exclude"]
        if tables := said.get("tables"):
            table = self._table(str(tables[0]))
            if table is None:
                return _line(entry, "wrong", 0, f"There is no model or table {tables[0]!r}.")
            return _counted(entry, self.keys.raws[table.id].rows, "row")
        matches = LeaveOut(exclude=[str(pattern) for pattern in said["files"]]).excludes
        self.cursor.execute(f"SELECT path FROM {FILE_NAMES} WHERE path IS NOT NULL")
        found = 0
        while names := self.cursor.fetchmany(_NAMES_AT_ONCE):
            found += sum(matches(str(path).encode()) for (path,) in names)
        return _counted(entry, found, "file")

    def _table(self, name: str) -> Table | None:
        return next(
            (one for one in self.keys.tables.values() if name.lower() in (one.label.lower(), one.id.lower())), None
        )


def _line(entry: ProfileEntry, verdict: Verdict, count: int, found: str, fix: str = "") -> ProfileLine:
    return ProfileLine(
        section=entry.section, line=entry.line, verdict=verdict, count=count, found=found.strip(), fix=fix
    )


def _counted(entry: ProfileEntry, count: int, what: str) -> ProfileLine:
    return _line(entry, "right" if count else "nothing", count, count_text(count, what))


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two parsed TOML documents merged: tables by key, lists joined."""
    merged = dict(one)
    for key, value in other.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged


def _inline(value: Any) -> str:
    import tomlkit  # needed only to check a profile

    if isinstance(value, dict):
        return ", ".join(f"{key} = {_inline(one)}" for key, one in value.items())
    return str(tomlkit.item(value).as_string()).strip()


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else _inline(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"  # a program of [drill] has many lines
