"""The properties of the staging database: locale and owner of the snapshot, overridden while it is built, restored at the end.

Settings apply to sessions that begin after them, also to ours. So they are only tried before the load, to find those that this role
may not set, and applied when everything else is restored. Those that would lock us out wait for the promotion (`properties.Closing`).
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import errors as pg_errors

from edms_tasks.databases.postgresql.properties import (
    Properties,
    closing_statements,
    listed,
    locale_clauses,
    privilege_name,
    privilege_statements,
    properties_of_earlier_release,
    read_properties,
    recorded_properties,
    setting_name,
    setting_statement,
)
from edms_tasks.databases.postgresql.refusable_statements import Connection, attempt, rehearse
from edms_tasks.databases.postgresql.staging_comment import mark
from edms_tasks.databases.protocol import CapturedSchema, LeftOut
from edms_tasks.errors import MayNotCreateDatabases, ServerNotReady
from edms_tasks.quoting import identifier, literal

_UNRECORDED = (
    "The snapshot is from an earlier release. It does not record who may connect to the database, its comment, connection limit and "
    "settings of roles. None of that was restored or compared."
)
# Properties that a database gets when it is created.
_FIXED = (
    "owner",
    "tablespace",
    "encoding",
    "locale provider",
    "LC_COLLATE",
    "LC_CTYPE",
    "locale",
    "ICU rules",
    "schema public",
)
_PRELOADED = ("session_preload_libraries", "local_preload_libraries")


class StagingProperties:
    """The wanted properties of the staging database, and those that this role cannot give it (`left_out`).

    Args:
        schema: the snapshot's schema.
        final: the final name of the database.
        created: whether we create it; a database that was created beforehand keeps its properties.
        made_for: the database whose work lock this run holds, if that is not the final one.
    """

    def __init__(self, schema: CapturedSchema, final: str, *, created: bool, made_for: str | None = None) -> None:
        recorded = recorded_properties(schema.settings)
        self.created = created
        self.notes = [] if recorded else [_UNRECORDED]
        self.left_out: list[LeftOut] = []
        self.owner = ""
        self._wanted = recorded or properties_of_earlier_release(schema.settings)
        self._recorded = recorded is not None
        self._final = final
        self._made_for = made_for or final
        self._closing = self._wanted.closing

    def create(self, connection: Connection, name: str, live: str) -> None:
        """Create the database and mark it as ours.

        Args:
            connection: a connection to the server.
            name: the name of the staging database.
            live: the live database; its owner is used if the snapshot's owner does not exist.

        Raises:
            MayNotCreateDatabases: the role may not create databases.
            ServerNotReady: the server does not have the encoding or locale.
        """
        wanted = self._wanted
        clauses = list(locale_clauses(wanted, connection.info.server_version))
        if owner := self._choose_owner(connection, live):
            clauses.append(f"OWNER {identifier(owner)}")
        clauses.append("ALLOW_CONNECTIONS false")  # until it has its mark
        if self._may_use_tablespace(connection):
            clauses.append(f"TABLESPACE {identifier(wanted.tablespace)}")
        try:
            connection.execute(f"CREATE DATABASE {identifier(name)} TEMPLATE template0 {' '.join(clauses)}".encode())
        except pg_errors.InsufficientPrivilege as error:
            raise MayNotCreateDatabases(
                "The role may not create the staging database.",
                where=name,
                why=str(error).strip(),
                fix="As a superuser: ALTER ROLE … CREATEDB; or create an empty database and restore with --into.",
            ) from error
        except (pg_errors.DataError, pg_errors.ProgrammingError, pg_errors.NotSupportedError) as error:
            raise ServerNotReady(
                "The server cannot create a database like the snapshot's.",
                where=f"encoding {wanted.encoding}, locale {wanted.locale or wanted.collate}",
                why=str(error).strip(),
                fix="The live system is untouched. Install the locale on the server (Debian: dpkg-reconfigure locales, then restart "
                "PostgreSQL), or create an empty database with another locale and restore with --into.",
            ) from error
        mark(connection, name, self._made_for, self._closing)
        connection.execute(f"ALTER DATABASE {identifier(name)} ALLOW_CONNECTIONS true".encode())

    def look(self, connection: Connection) -> None:
        """Try the later steps and roll them back; adds those that are refused to `left_out`."""
        here = read_properties(connection)
        self.owner = here.owner
        if self._recorded and not self.created:
            self._keep_what_it_has(here)
        for (name, statement), (_, told) in self._pairs(connection, here):
            refused = rehearse(connection, statement.encode())
            if refused is not None:
                self.left_out.append(LeftOut(name, f"the server refuses it ({refused})", told))
        for library in {one for name, value in self._wanted.settings if name in _PRELOADED for one in listed(value)}:
            refused = rehearse(connection, f"LOAD {literal(library)}".encode())
            if refused is not None:  # every connection would fail
                self.left_out += [
                    LeftOut(setting_name(None, name), f"a library cannot be loaded here ({refused})", told)
                    for name, value in self._wanted.settings
                    if name in _PRELOADED and library in listed(value)
                    for told in [setting_statement(self._final, None, name, value)]
                ]

    def override(self, connection: Connection, *, login_triggers: bool) -> None:
        """Override settings while the database is built: commits do not wait for the disk, because after a crash it is built again.

        Args:
            connection: a connection to the staging database.
            login_triggers: whether it gets event triggers on login, which must not fire for our sessions.
        """
        if not self.created:
            return
        name = _name(connection)
        connection.execute(f"ALTER DATABASE {identifier(name)} SET synchronous_commit = off".encode())
        if login_triggers:
            connection.execute(f"ALTER DATABASE {identifier(name)} SET event_triggers = off".encode())
            self._closing = self._closing.model_copy(update={"lets_event_triggers_fire": True})
            mark(connection, name, self._made_for, self._closing)

    def apply(self, connection: Connection) -> list[LeftOut]:
        """Apply settings, labels and privileges; returns those that were refused and are not in `left_out` yet."""
        name = identifier(_name(connection))
        if self.created:
            connection.execute(f"ALTER DATABASE {name} RESET synchronous_commit".encode())
        if self._recorded and self.created and not self._wanted.public_schema:
            attempt(connection, b"DROP SCHEMA public RESTRICT")  # if it fails, the validation reports it
        known = {one.subject for one in self.left_out}
        refused = []
        for (subject, statement), (_, told) in self._pairs(connection, read_properties(connection)):
            if subject not in known and (why := attempt(connection, statement.encode())) is not None:
                refused.append(LeftOut(subject, f"the server refused it ({why})", told))
        return refused + self._stay_connectable(connection)

    def close(self, connection: Connection, name: str) -> None:
        """Set the closing properties, in the caller's transaction."""
        for statement in closing_statements(name, self._closing):
            if self.created:
                connection.execute(statement.encode())
            else:
                attempt(connection, statement.encode())

    def _choose_owner(self, connection: Connection, live: str) -> str | None:
        option = "SET" if connection.info.server_version >= 160000 else "MEMBER"
        rows = connection.execute(
            """
            SELECT rolname, rolname = %s FROM pg_catalog.pg_roles
            WHERE (rolname = %s OR oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = %s))
              AND pg_catalog.pg_has_role(current_user, oid, %s) ORDER BY 2 DESC
            """,
            (self._wanted.owner, self._wanted.owner, live, option),
        ).fetchall()
        if self._recorded and not any(same for _, same in rows):
            self.left_out.append(
                LeftOut(
                    "owner",
                    f"the role {self._wanted.owner} does not exist here or the database cannot be given to it",
                    f"ALTER DATABASE {identifier(self._final)} OWNER TO {identifier(self._wanted.owner)}",
                )
            )
        return str(rows[0][0]) if rows else None

    def _may_use_tablespace(self, connection: Connection) -> bool:
        space = self._wanted.tablespace
        if space in ("", "pg_default"):
            return False
        row = connection.execute(
            "SELECT pg_catalog.has_tablespace_privilege(oid, 'CREATE') FROM pg_catalog.pg_tablespace WHERE spcname = %s",
            (space,),
        ).fetchone()
        if row is not None and row[0]:
            return True
        statement = f"ALTER DATABASE {identifier(self._final)} SET TABLESPACE {identifier(space)}"
        self.left_out.append(
            LeftOut("tablespace", f"tablespace {space} does not exist here or may not be used", statement)
        )
        return False

    def _keep_what_it_has(self, here: Properties) -> None:
        was, now = self._wanted.lines(), here.lines()
        for name in _FIXED:
            if was.get(name) != now.get(name):
                self.left_out.append(
                    LeftOut(
                        name,
                        f"the database was created beforehand: its {name} is {now.get(name)}, the snapshot's is {was.get(name)}",
                    )
                )
        for name in now.keys() - was.keys():
            if name.startswith("setting "):
                self.left_out.append(LeftOut(name, f"the database was created beforehand with it: {now[name]}"))

    def _pairs(self, connection: Connection, here: Properties) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
        """Each step twice: with the database's present name, and with its final name for messages."""
        yield from zip(self._steps(_name(connection), here), self._steps(self._final, here), strict=True)

    def _steps(self, database: str, here: Properties) -> Iterator[tuple[str, str]]:
        wanted = self._wanted
        for name, value in wanted.settings:
            yield setting_name(None, name), setting_statement(database, None, name, value)
        for role, name, value in wanted.role_settings:
            yield setting_name(role, name), setting_statement(database, role, name, value)
        for provider, label in wanted.labels:
            statement = (
                f"SECURITY LABEL FOR {identifier(provider)} ON DATABASE {identifier(database)} IS {literal(label)}"
            )
            yield f"security label of {provider}", statement
        if self._recorded:
            yield from privilege_statements(database, wanted, here)

    def _stay_connectable(self, connection: Connection) -> list[LeftOut]:
        """Make sure that our role can connect for the validation; returns the privilege that this adds."""
        row = connection.execute(
            "SELECT current_user, pg_catalog.has_database_privilege(current_database(), 'CONNECT')"
        ).fetchone()
        assert row is not None  # there is always a current user
        if row[1]:
            return []
        role = str(row[0])
        connection.execute(f"GRANT CONNECT ON DATABASE {identifier(_name(connection))} TO {identifier(role)}".encode())
        return [
            LeftOut(
                privilege_name("its owner" if role == self.owner else role, "CONNECT"),
                f"the role {role} restores and must be able to connect",
                f"REVOKE CONNECT ON DATABASE {identifier(self._final)} FROM {identifier(role)}",
            )
        ]


def _name(connection: Connection) -> str:
    return connection.info.dbname
