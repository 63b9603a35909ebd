"""The address of a database: engine, name, host and login in one value whose text never shows the password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

from edms_tasks.databases.engines import is_file
from edms_tasks.errors import SettingsError, UnsupportedEngine
from edms_tasks.inventory.probe_report import ProbeDatabase

_ENGINES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "pgsql": "postgresql",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}
# Parameters that are fields of the address, and those that our sessions set themselves.
_NOT_OPTIONS = {
    "dbname",
    "host",
    "port",
    "user",
    "password",
    "client_encoding",
    "application_name",
    "fallback_application_name",
    "replication",
}


@dataclass(frozen=True)
class DatabaseAddress:
    """A database of one engine. `name` is the database's name, or for SQLite the file's absolute path."""

    engine: str
    name: str
    host: str = ""  # may be a list of hosts, as libpq accepts it
    port: str = ""
    user: str = ""
    password: SecretStr = field(default=SecretStr(""), repr=False)
    options: tuple[tuple[str, str], ...] = ()  # further connection parameters of libpq
    client_programs: str = ""  # the folder of pg_dump and pg_restore; "" for the best that are found
    time_zone: str = ""  # the time zone of the EDMS's sessions; "" if unknown
    recorded_owner: str = ""  # of a throwaway database: the role that a snapshot names in place of its own

    @classmethod
    def from_probe(cls, database: ProbeDatabase) -> DatabaseAddress:
        """The address that the EDMS itself uses. Raises UnsupportedEngine."""
        if database.vendor not in ("postgresql", "sqlite"):
            raise UnsupportedEngine(
                f"The EDMS uses {database.vendor or database.engine!r}, which is not supported.",
                where=f"DATABASES[{database.alias!r}]",
                fix="PostgreSQL and SQLite are supported.",
            )
        if database.vendor == "sqlite":
            if database.name.startswith((":memory:", "file:")):  # the probe reports the path of any other
                raise UnsupportedEngine(
                    "The EDMS keeps its database in memory.",
                    where=f"DATABASES[{database.alias!r}]",
                    why=f"Its NAME is {database.name!r}: nobody else can read it, and it is gone when the process ends.",
                    fix="Name the settings of the EDMS that is in use ([edms] settings), not those of its tests.",
                )
            return cls(engine="sqlite", name=str(Path(database.name).absolute()))
        # Set even if empty, because PGOPTIONS and PGHOSTADDR of this process are not the EDMS's.
        options = {"options": ""} | ({"hostaddr": ""} if database.host else {}) | _libpq(database.options)
        address = cls(
            engine="postgresql",
            name=database.name,
            host=database.host,
            port=database.port,
            user=database.user,
            password=SecretStr(database.password),
            options=tuple(sorted(options.items())),
            client_programs=database.client_programs,
            time_zone=database.time_zone,
            recorded_owner=database.recorded_owner,
        )
        role = database.options.get("assume_role")
        return address.with_settings({"role": role}) if role else address

    @classmethod
    def from_url(cls, url: str) -> DatabaseAddress:
        """Parse `postgresql://user:password@host:port/name?sslmode=…` or `sqlite:////absolute/path`.

        Raises:
            SettingsError: it is neither, or libpq does not accept it.
        """
        scheme, _, rest = url.partition(":")
        engine = _ENGINES.get(scheme.split("+")[0].lower())
        if engine is None:
            raise SettingsError(
                "The database URL is not valid.",
                where=f"scheme {scheme if rest else ''!r}",
                fix="Write postgresql://user:password@host:port/name or sqlite:////absolute/path.",
            )
        if engine == "sqlite":
            parts = urlsplit(url)
            if parts.query or parts.fragment:
                raise SettingsError(
                    "The database URL is not understood.",
                    where=url,
                    why="A SQLite URL names a file and nothing more.",
                    fix="If ? or # is part of the file's name, write %3F or %23.",
                )
            path = parts.path
            return cls(engine=engine, name=str(Path(unquote(path[1:] if path.startswith("//") else path)).absolute()))
        given = _parsed(f"postgresql:{rest}")
        return cls(
            engine=engine,
            name=given.get("dbname", ""),
            host=given.get("host", ""),
            port=given.get("port", ""),
            user=given.get("user", ""),
            password=SecretStr(given.get("password", "")),
            options=tuple(sorted(_libpq(given).items())),
        )

    def renamed(self, name: str) -> DatabaseAddress:
        """The same server, another database."""
        return replace(self, name=name)

    def with_options(self, **options: str) -> DatabaseAddress:
        """The same address, with these connection parameters instead of its own."""
        return replace(self, options=tuple(sorted((dict(self.options) | options).items())))

    def with_settings(self, settings: Mapping[str, str]) -> DatabaseAddress:
        """The same address; every session begins with these server settings, which override all defaults.

        Example:
            >>> dict(DatabaseAddress("postgresql", "d").with_settings({"search_path": "a, b"}).options)
            {'options': '-c search_path=a,\\\\ b'}
        """
        parts = [dict(self.options).get("options", "").strip()]
        parts += [f"-c {name}={_escaped(value)}" for name, value in settings.items()]
        return self.with_options(options=" ".join(part for part in parts if part))

    @property
    def is_file(self) -> bool:
        """Whether the database is a file, without a server."""
        return is_file(self.engine)

    @property
    def files(self) -> tuple[Path, ...]:
        """The database's file; empty for a database on a server."""
        return (Path(self.name),) if self.is_file else ()

    @property
    def display(self) -> str:
        """The address for people and logs, without the password."""
        if self.engine == "sqlite":
            return self.name
        user = f"{self.user}@" if self.user else ""
        return f"{self.engine}://{user}{self.host or 'local socket'}{':' + self.port if self.port else ''}/{self.name}"

    def conninfo(self, *, with_password: bool = True, client_encoding: str = "UTF8") -> str:
        """The connection string for libpq, quoted by its rules.

        Args:
            with_password: False for a program's arguments, which every user of the machine can read.
            client_encoding: the encoding of the session.

        Raises:
            SettingsError: libpq does not accept a parameter.
        """
        import psycopg
        from psycopg.conninfo import make_conninfo

        fields = {"dbname": self.name, "host": self.host, "port": self.port, "user": self.user}
        if with_password:
            fields["password"] = self.password.get_secret_value()
        given = {name: value for name, value in fields.items() if value} | dict(self.options)
        given |= {"client_encoding": client_encoding, "application_name": "edms-backup"}
        try:
            return make_conninfo("", **given)
        except psycopg.ProgrammingError as error:
            raise SettingsError(
                "The database's connection parameters are not valid.",
                where=self.display,
                why=str(error).strip(),
                fix="Correct them in the EDMS's settings (DATABASES), in [edms] database_url or in the URL.",
            ) from None  # the cause's text may contain the password

    def url(self) -> str:
        """The connection URL. It contains the password: never log it."""
        if self.engine == "sqlite":
            return f"sqlite:///{quote(self.name)}"
        plain = bool(self.host) and not self.host.startswith(("/", "@")) and "," not in self.host
        options = dict(self.options)
        if not plain:
            options |= {name: value for name, value in (("host", self.host), ("port", self.port)) if value}
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        server = (host + (f":{self.port}" if self.port else "")) if plain else ""
        login = quote(self.user, safe="")
        if secret := self.password.get_secret_value():
            login += ":" + quote(secret, safe="")
        # quote: urlencode's default writes a blank as +, which libpq does not decode.
        query = f"?{urlencode(options, quote_via=quote, safe='')}" if options else ""
        return f"postgresql://{login + '@' if login else ''}{server}/{quote(self.name, safe='')}{query}"

    def sqlalchemy_url(self) -> str:
        """The URL for SQLAlchemy (psycopg 3, or the standard library's sqlite3). It contains the password: never log it."""
        from sqlalchemy import URL

        if self.engine == "sqlite":  # as SQLite's URI, because SQLAlchemy ends a plain path at its first "?"
            uri = Path(self.name).as_uri()
            return URL.create("sqlite", database=uri, query={"uri": "true"}).render_as_string()
        # SQLAlchemy passes unknown parameters on to psycopg, which accepts libpq's connection string.
        return URL.create(
            "postgresql+psycopg",
            username=self.user or None,
            password=self.password.get_secret_value() or None,
            query={"conninfo": self.conninfo(with_password=False)},
        ).render_as_string(hide_password=False)


def _parsed(url: str) -> dict[str, str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        # Newer versions of libpq refuse blanks, which people type in names.
        return {name: str(value) for name, value in conninfo_to_dict(url.strip().replace(" ", "%20")).items()}
    except psycopg.Error as error:
        why = str(error).strip()
        if not why.startswith("invalid URI query parameter"):
            why = re.sub(r'".*"', "…", why, flags=re.DOTALL)  # libpq quotes what it read, which may be the password
        raise SettingsError(
            "The database URL is not valid.",
            why=why,
            fix="Write postgresql://user:password@host:port/name, with %20 for a space, %25 for %, %2F for /, %40 for @.",
        ) from None


def _libpq(options: Mapping[str, str]) -> dict[str, str]:
    """The options that are parameters of libpq; Django's OPTIONS may have others (isolation_level, pool, …)."""
    from psycopg import pq

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} - _NOT_OPTIONS
    return {name: value for name, value in options.items() if name in known}


def _escaped(value: str) -> str:
    """The value with backslashes before blanks and backslashes, as the server's `options` parameter needs them."""
    return "".join(f"\\{character}" if character.isspace() or character == "\\" else character for character in value)
