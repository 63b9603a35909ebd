"""Session settings of the EDMS that its functions may depend on: recorded at backup, set for them during a restore.

pg_dump writes every name in full, for sessions whose search path is empty, and a restore must read it so: under another path
`a @> b` may come to mean an operator of the EDMS's own. The bodies of functions are not written anew, though, and find under an
empty path nothing that they name without its schema. So each function is given the EDMS's settings as its own (ALTER FUNCTION …
SET) when it is made, and rid of them when all is built. This also reaches where PostgreSQL 17 and newer take a session's path
away: CREATE INDEX and REFRESH MATERIALIZED VIEW.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edms_tasks.databases.postgresql.archive import Entry
from edms_tasks.databases.postgresql.careful import Connection, rehearse
from edms_tasks.databases.postgresql.properties import listed
from edms_tasks.databases.postgresql.session import OWN_SETTINGS, SEARCH_PATH, SETTINGS
from edms_tasks.databases.postgresql.statements import parse_function
from edms_tasks.quoting import identifier, identifiers, literal

_KEY = "session.{}".format  # in NativeSchema.settings
# Of an earlier release's snapshot. Its times were loaded in UTC, in which Django's sessions usually are.
_TAKEN_AS_FOUND = (SEARCH_PATH, "default_text_search_config")
_MAY_BE_YET_TO_COME = "default_text_search_config"  # of the EDMS's own; a function takes it, a session does not
_WRITTEN_IN_C = {"c", "internal"}
_CALLED_BY_EVENTS = {"trigger", "event_trigger"}  # none fires during a restore
_ATTACHED = {"TABLE ATTACH": "TABLE", "INDEX ATTACH": "INDEX"}
# A partition's key is planned when its table is made, and when partitions are attached.
_BUILT_FROM_EXPRESSIONS = {"INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "STATISTICS", "TABLE", *_ATTACHED}


@dataclass(frozen=True)
class Lent:
    """Settings of the EDMS's sessions, as far as this server takes them."""

    values: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, str] = field(default_factory=dict)  # what the sessions of a restore have anyway
    refused: tuple[str, ...] = ()

    @property
    def search_path(self) -> str:
        """The EDMS's path behind PostgreSQL's own names."""
        return behind_the_catalogue(self.values.get(SEARCH_PATH, ""))

    def of_session(self) -> dict[str, str]:
        """The settings for a session that loads rows. Others would change how values are read."""
        return self.of_builder() | {SEARCH_PATH: self.search_path}

    def of_builder(self) -> dict[str, str]:
        """The settings for a session that reads definitions, with an empty search path."""
        return {name: self.values[name] for name in ("TimeZone", "DateStyle") if name in self.values}

    def missing(self, found: Mapping[str, str]) -> dict[str, str]:
        """The search path, where a session finds another."""
        path = self.values.get(SEARCH_PATH)
        return {SEARCH_PATH: path} if path is not None and path != found.get(SEARCH_PATH) else {}

    def to(self, entries: Iterable[Entry], extensions: frozenset[int]) -> list[Entry]:
        """The entries with functions that have these settings as their own.

        Args:
            entries: of an archive.
            extensions: the numbers of its extensions. Their functions are theirs: what uses them is made under the path.
        """
        these = list(entries)
        using = {one.number for one in these if one.kind in _ATTACHED.values() and extensions & {*one.needs}}
        return [self._lend(one, extensions | using if one.kind in _ATTACHED else extensions) for one in these]

    def take_back(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """Statements that make the functions what they were."""
        for entry in entries:
            if names := self._names(entry):
                yield _alter(entry, (f"RESET {identifier(name)}" for name in names))

    def _lend(self, entry: Entry, uses: frozenset[int]) -> Entry:
        definition = entry.raw("definition")
        if names := self._names(entry):
            altered = _alter(entry, (f"SET {identifier(name)} TO {_value(name, self.values[name])}" for name in names))
            return entry.changed("definition", definition + b"\n" + altered + b";\n")
        if entry.kind in _BUILT_FROM_EXPRESSIONS and uses & {*entry.needs}:
            # Several statements at once are one transaction, at whose end a local setting goes.
            path = f"SELECT pg_catalog.set_config('search_path', {_text(self.search_path)}, true);\n"
            return entry.changed("definition", _raw(path) + definition)
        return entry

    def _names(self, entry: Entry) -> list[str]:
        """Those that the function has no value of its own for; none for what calls nothing by name."""
        if entry.kind != "FUNCTION" or not entry.text("drop").startswith("DROP FUNCTION "):
            return []
        function = parse_function(entry.raw("definition"))
        if function.language in _WRITTEN_IN_C or function.returns in _CALLED_BY_EVENTS:
            return []
        # Each costs some microseconds a call.
        needed = [name for name, value in self.values.items() if value != self.usual.get(name)]
        return [name for name in needed if name.lower() not in function.settings]


def behind_the_catalogue(search_path: str) -> str:
    """A path under which nobody's own types, operators and functions stand in for PostgreSQL's."""
    return f"pg_catalog, {search_path}" if search_path else "pg_catalog"


def recorded_settings(own: Mapping[str, str], time_zone: str) -> dict[str, str]:
    """The session settings recorded in a manifest.

    Args:
        own: what they have before the EDMS has said a word.
        time_zone: what Django sets first; "": not known.
    """
    said = {**own, "TimeZone": time_zone} if time_zone else own
    return {_KEY(name): value for name, value in said.items()}


def choose(connection: Connection, settings: Mapping[str, str], found: Mapping[str, str]) -> Lent:
    """The settings to lend.

    Args:
        connection: to the database that is being made.
        settings: what the manifest says.
        found: what a session of that database has, which is the next best for a snapshot of an earlier release.
    """
    wanted = {name: settings[_KEY(name)] for name in OWN_SETTINGS if _KEY(name) in settings}
    for name in _TAKEN_AS_FOUND if SEARCH_PATH not in wanted else ():
        wanted[name] = settings.get(f"set.{name}", found.get(name, ""))
    # Whatever the text is, it comes to names.
    wanted[SEARCH_PATH] = identifiers(listed(wanted[SEARCH_PATH]))
    refused = {name: why for name, value in wanted.items() if (why := _refused(connection, name, value)) is not None}
    told = tuple(f"{name} = {wanted[name]} ({why})" for name, why in refused.items())
    usual = {name: found.get(name, "") for name in OWN_SETTINGS if name != SEARCH_PATH}
    usual |= {"TimeZone": SETTINGS["timezone"], "IntervalStyle": SETTINGS["intervalstyle"]}
    return Lent({name: value for name, value in wanted.items() if name not in refused}, usual, told)


def _refused(connection: Connection, name: str, value: str) -> str | None:
    if name == _MAY_BE_YET_TO_COME:
        return None
    return rehearse(connection, _raw(f"SET LOCAL {identifier(name)} TO {_value(name, value)}"))


def _alter(entry: Entry, actions: Iterable[str]) -> bytes:
    # The words for the function are those of its own DROP statement.
    named = entry.raw("drop").strip().removeprefix(b"DROP ").removesuffix(b";")
    return b"ALTER " + named + b" " + _raw(" ".join(actions))


def _value(name: str, value: str) -> str:
    if name != SEARCH_PATH:
        return _text(value)
    return ", ".join(map(_text, listed(value))) or "''"


def _text(value: str) -> str:
    """A literal that reads the same whatever `standard_conforming_strings` is."""
    return f"E{literal(value.replace(chr(92), chr(92) * 2))}" if "\\" in value else literal(value)


def _raw(statement: str) -> bytes:
    return statement.encode("utf-8", "surrogateescape")
