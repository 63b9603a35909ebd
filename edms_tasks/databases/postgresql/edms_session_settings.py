"""Session settings that the EDMS's functions may depend on: recorded at backup, and set for the functions during a restore.

pg_dump writes every name in full, for sessions with an empty search path, and a restore must use an empty one too: with another
path `a @> b` could mean an operator of the EDMS. But the bodies of functions are restored as text, and with an empty path they do
not find what they name without its schema. So each function gets the EDMS's settings as its own (ALTER FUNCTION … SET) when it is
created, and they are reset when everything is built. This also works where PostgreSQL 17 and newer empty a session's path: CREATE
INDEX and REFRESH MATERIALIZED VIEW.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edms_tasks.databases.postgresql.archive import Entry
from edms_tasks.databases.postgresql.archive_statements import parse_function
from edms_tasks.databases.postgresql.properties import listed
from edms_tasks.databases.postgresql.refusable_statements import Connection, rehearse
from edms_tasks.databases.postgresql.session_settings import OWN_SETTINGS, SEARCH_PATH, SETTINGS
from edms_tasks.quoting import identifier, identifiers, literal

_KEY = "session.{}".format  # in NativeSchema.settings
# Taken from the restoring session for snapshots of an earlier release, which loaded times in UTC as Django's sessions usually do.
_TAKEN_AS_FOUND = (SEARCH_PATH, "default_text_search_config")
_MAY_BE_YET_TO_COME = (
    "default_text_search_config"  # may name a configuration that is created later; a session refuses it
)
_WRITTEN_IN_C = {"c", "internal"}
_CALLED_BY_EVENTS = {"trigger", "event_trigger"}  # they do not fire during a restore
_ATTACHED = {"TABLE ATTACH": "TABLE", "INDEX ATTACH": "INDEX"}
# Also tables: a partition key is planned when its table is created, and when partitions are attached.
_BUILT_FROM_EXPRESSIONS = {"INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "STATISTICS", "TABLE", *_ATTACHED}


@dataclass(frozen=True)
class LentSettings:
    """The settings of the EDMS's sessions that this server accepts."""

    values: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, str] = field(default_factory=dict)  # the settings of a restore's own sessions
    refused: tuple[str, ...] = ()  # "name = value (why)"

    @property
    def search_path(self) -> str:
        """The EDMS's search path with pg_catalog first."""
        return with_pg_catalog_first(self.values.get(SEARCH_PATH, ""))

    def of_session(self) -> dict[str, str]:
        """The settings for a session that loads rows. The others would change how values are read."""
        return self.of_builder() | {SEARCH_PATH: self.search_path}

    def of_builder(self) -> dict[str, str]:
        """The settings for a session that reads definitions, with an empty search path."""
        return {name: self.values[name] for name in ("TimeZone", "DateStyle") if name in self.values}

    def missing(self, found: Mapping[str, str]) -> dict[str, str]:
        """The EDMS's search path as a setting, if a session has another one (`found`); otherwise nothing."""
        path = self.values.get(SEARCH_PATH)
        return {SEARCH_PATH: path} if path is not None and path != found.get(SEARCH_PATH) else {}

    def to(self, entries: Iterable[Entry], extensions: frozenset[int]) -> list[Entry]:
        """The entries of an archive with these settings added to their functions.

        Args:
            entries: the archive's entries.
            extensions: the numbers of its extensions. Their functions are not changed; objects that use them are created under
                the EDMS's path instead.
        """
        these = list(entries)
        using = {one.number for one in these if one.kind in _ATTACHED.values() and extensions & {*one.needs}}
        return [self._lend(one, extensions | using if one.kind in _ATTACHED else extensions) for one in these]

    def take_back(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """Statements that reset the settings of the functions."""
        for entry in entries:
            if names := self._names(entry):
                yield _alter(entry, (f"RESET {identifier(name)}" for name in names))

    def _lend(self, entry: Entry, uses: frozenset[int]) -> Entry:
        definition = entry.raw("definition")
        if names := self._names(entry):
            altered = _alter(entry, (f"SET {identifier(name)} TO {_value(name, self.values[name])}" for name in names))
            return entry.changed("definition", definition + b"\n" + altered + b";\n")
        if entry.kind in _BUILT_FROM_EXPRESSIONS and uses & {*entry.needs}:
            # Statements sent together are one transaction; the local setting ends with it.
            path = f"SELECT pg_catalog.set_config('search_path', {_text(self.search_path)}, true);\n"
            return entry.changed("definition", _raw(path) + definition)
        return entry

    def _names(self, entry: Entry) -> list[str]:
        """The settings that the function needs and does not set itself; none for functions in C and triggers."""
        if entry.kind != "FUNCTION" or not entry.text("drop").startswith("DROP FUNCTION "):
            return []
        function = parse_function(entry.raw("definition"))
        if function.language in _WRITTEN_IN_C or function.returns in _CALLED_BY_EVENTS:
            return []
        # Only those that differ: each setting costs some microseconds a call.
        needed = [name for name, value in self.values.items() if value != self.usual.get(name)]
        return [name for name in needed if name.lower() not in function.settings]


def with_pg_catalog_first(search_path: str) -> str:
    """A search path with pg_catalog first, so that nobody's types, operators or functions replace PostgreSQL's."""
    return f"pg_catalog, {search_path}" if search_path else "pg_catalog"


def recorded_settings(own: Mapping[str, str], time_zone: str) -> dict[str, str]:
    """The session settings recorded in a manifest.

    Args:
        own: the settings of a new session of the EDMS's role.
        time_zone: the time zone that Django sets in it; "" if unknown.
    """
    recorded = {**own, "TimeZone": time_zone} if time_zone else own
    return {_KEY(name): value for name, value in recorded.items()}


def choose(connection: Connection, settings: Mapping[str, str], found: Mapping[str, str]) -> LentSettings:
    """The settings to lend.

    Args:
        connection: a connection to the staging database.
        settings: the settings in the manifest.
        found: the settings of a session of that database; used for a snapshot of an earlier release.
    """
    wanted = {name: settings[_KEY(name)] for name in OWN_SETTINGS if _KEY(name) in settings}
    for name in _TAKEN_AS_FOUND if SEARCH_PATH not in wanted else ():
        wanted[name] = settings.get(f"set.{name}", found.get(name, ""))
    # A list of quoted names, whatever its text was.
    wanted[SEARCH_PATH] = identifiers(listed(wanted[SEARCH_PATH]))
    refused = {name: why for name, value in wanted.items() if (why := _refused(connection, name, value)) is not None}
    reasons = tuple(f"{name} = {wanted[name]} ({why})" for name, why in refused.items())
    usual = {name: found.get(name, "") for name in OWN_SETTINGS if name != SEARCH_PATH}
    usual |= {"TimeZone": SETTINGS["timezone"], "IntervalStyle": SETTINGS["intervalstyle"]}
    return LentSettings({name: value for name, value in wanted.items() if name not in refused}, usual, reasons)


def _refused(connection: Connection, name: str, value: str) -> str | None:
    if name == _MAY_BE_YET_TO_COME:
        return None
    return rehearse(connection, _raw(f"SET LOCAL {identifier(name)} TO {_value(name, value)}"))


def _alter(entry: Entry, actions: Iterable[str]) -> bytes:
    # The function's name with its arguments comes from its DROP statement.
    named = entry.raw("drop").strip().removeprefix(b"DROP ").removesuffix(b";")
    return b"ALTER " + named + b" " + _raw(" ".join(actions))


def _value(name: str, value: str) -> str:
    if name != SEARCH_PATH:
        return _text(value)
    return ", ".join(map(_text, listed(value))) or "''"


def _text(value: str) -> str:
    """A literal that means the same with `standard_conforming_strings` on and off."""
    return f"E{literal(value.replace(chr(92), chr(92) * 2))}" if "\\" in value else literal(value)


def _raw(statement: str) -> bytes:
    return statement.encode("utf-8", "surrogateescape")
