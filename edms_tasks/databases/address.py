"""Where a database is: engine, name, host and credentials, as one value whose text never shows the password."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import SecretStr

from edms_tasks.errors import SettingsError, UnsupportedEngine
from edms_tasks.inventory.model import ProbeDatabase

_ENGINES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "pgsql": "postgresql",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}


@dataclass(frozen=True)
class DatabaseAddress:
    """A database of one engine. `name` is the database's name, or for SQLite the file's absolute path."""

    engine: str
    name: str
    host: str = ""
    port: str = ""
    user: str = ""
    password: SecretStr = field(default=SecretStr(""), repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_probe(cls, database: ProbeDatabase) -> DatabaseAddress:
        """The address the EDMS itself uses."""
        if database.vendor not in ("postgresql", "sqlite"):
            raise UnsupportedEngine(
                f"The EDMS uses {database.vendor or database.engine!r}, which is not supported.",
                where=f"DATABASES[{database.alias!r}]",
                cure="PostgreSQL and SQLite are supported.",
            )
        keep = {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "service", "passfile", "options"}
        return cls(
            engine=database.vendor,
            name=str(Path(database.name).absolute()) if database.vendor == "sqlite" else database.name,
            host=database.host,
            port=database.port,
            user=database.user,
            password=SecretStr(database.password),
            options=tuple(sorted((k, v) for k, v in database.options.items() if k in keep)),
        )

    @classmethod
    def from_url(cls, url: str) -> DatabaseAddress:
        """Parse `postgresql://user:password@host:port/name?sslmode=…` or `sqlite:////absolute/path`."""
        parts = urlsplit(url)
        engine = _ENGINES.get(parts.scheme.split("+")[0])
        if engine is None:
            raise SettingsError(
                "The database URL is not understood.",
                where=f"scheme {parts.scheme!r}",
                cure="Write postgresql://user:password@host:port/name or sqlite:////absolute/path.",
            )
        if engine == "sqlite":
            return cls(
                engine=engine,
                name=str(Path(unquote(parts.path[1:] if parts.path.startswith("//") else parts.path)).absolute()),
            )
        options = dict(parse_qsl(parts.query))
        return cls(
            engine=engine,
            name=unquote(parts.path.lstrip("/")),
            host=options.pop("host", "") or unquote(parts.hostname or ""),
            port=options.pop("port", "") or str(parts.port or ""),
            user=unquote(parts.username or ""),
            password=SecretStr(unquote(parts.password or "")),
            options=tuple(sorted(options.items())),
        )

    def renamed(self, name: str) -> DatabaseAddress:
        """The same server, another database."""
        return replace(self, name=name)

    @property
    def display(self) -> str:
        """For people and logs: everything but the secret."""
        if self.engine == "sqlite":
            return self.name
        return f"{self.engine}://{self.user}@{self.host or 'local socket'}{':' + self.port if self.port else ''}/{self.name}"

    def url(self, scheme: str = "postgresql") -> str:
        """A connection URL that holds the password: never log it."""
        if self.engine == "sqlite":
            return f"sqlite:///{self.name}"
        login = quote(self.user, safe="")
        if secret := self.password.get_secret_value():
            login += ":" + quote(secret, safe="")
        options = dict(self.options)
        host = quote(self.host, safe=":[]") if not self.host.startswith("/") else ""
        if self.host.startswith("/"):
            options["host"] = self.host
        port = f":{self.port}" if self.port and host else ""
        if self.port and not host:
            options["port"] = self.port
        query = f"?{urlencode(options)}" if options else ""
        return f"{scheme}://{login + '@' if login else ''}{host}{port}/{quote(self.name, safe='')}{query}"

    def url_without_password(self) -> str:
        """For programs that show their arguments to everybody; the password goes through the environment."""
        return replace(self, password=SecretStr("")).url()

    def sqlalchemy_url(self) -> str:
        """The URL for SQLAlchemy (psycopg 3, or the standard library's sqlite3); holds the password: never log it."""
        return self.url("postgresql+psycopg")
