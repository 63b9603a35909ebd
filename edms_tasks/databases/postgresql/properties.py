"""The properties of a PostgreSQL database (owner, locale, settings, privileges, comment): read, recorded, and as SQL statements.

*Closing* properties are set by the transaction that promotes: those that would lock out our own sessions (a connection limit, a
database that allows no connections), and the comment, which holds the staging database's mark until then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import psycopg
from pydantic import ValidationError

from edms_tasks.databases.postgresql.promotion_comment import without_note
from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.model import Value
from edms_tasks.quoting import identifier, literal

_Connection = psycopg.Connection[tuple[object, ...]]
MARK = "edms-backup staging database: safe to drop"
KEY = "properties"  # in NativeSchema.settings
# Settings whose values are lists of quoted names (src/bin/pg_dump/dumputils.c, variable_is_guc_list_quote).
_LISTS = {
    "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces",
    "unix_socket_directories",
}  # fmt: skip
_LIST_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)')
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


class Closing(Value):
    """The properties that are set when the database is promoted."""

    comment: str | None = None
    connection_limit: int = -1
    is_template: bool = False
    lets_event_triggers_fire: bool = False  # they were disabled while the database was built


class Properties(Value):
    """The properties of a database besides its contents."""

    owner: str
    tablespace: str
    encoding: str
    provider: str  # c, i or b, as in pg_database
    collate: str
    ctype: str
    locale: str | None  # of another provider than libc
    icu_rules: str | None
    closing: Closing
    privileges: tuple[tuple[str | None, str, bool], ...]  # grantee (None: PUBLIC), privilege, with grant option
    settings: tuple[tuple[str, str], ...]
    role_settings: tuple[tuple[str, str, str], ...]  # role, setting, value
    labels: tuple[tuple[str, str], ...]  # provider, label
    extensions: tuple[tuple[str, str], ...]  # name, version
    public_schema: bool

    def lines(self) -> dict[str, str]:
        """The compared properties by name, without the closing ones."""
        named = {
            "owner": self.owner,
            "tablespace": self.tablespace,
            "encoding": self.encoding,
            "locale provider": _PROVIDERS.get(self.provider, self.provider),
            "LC_COLLATE": self.collate,
            "LC_CTYPE": self.ctype,
            "locale": self.locale or "",
            "ICU rules": self.icu_rules or "",
            "schema public": "there" if self.public_schema else "absent",
        }
        for grantee, privilege, grantable in self.privileges:
            named[privilege_name("its owner" if grantee == self.owner else grantee, privilege)] = (
                "with grant option" if grantable else "granted"
            )
        named |= {setting_name(None, name): value for name, value in self.settings}
        named |= {setting_name(role, name): value for role, name, value in self.role_settings}
        return named | {f"security label of {provider}": label for provider, label in self.labels}


def privilege_name(grantee: str | None, privilege: str) -> str:
    """The name of a privilege on the database in a comparison; `grantee` None is PUBLIC."""
    return f"{privilege} for {'PUBLIC' if grantee is None else json.dumps(grantee, ensure_ascii=False)}"


def setting_name(role: str | None, name: str) -> str:
    """The name of a setting in a comparison; `role` None is the database's own."""
    return f"setting {name}" + ("" if role is None else f" of role {json.dumps(role, ensure_ascii=False)}")


def read_properties(connection: _Connection) -> Properties:
    """The properties of the connected database."""
    row = connection.execute(
        """
        SELECT d.oid::bigint, pg_catalog.pg_get_userbyid(datdba), t.spcname, pg_catalog.pg_encoding_to_char(encoding),
               coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), datcollate, datctype,
               coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale'), to_jsonb(d) ->> 'daticurules',
               pg_catalog.shobj_description(d.oid, 'pg_database'), datconnlimit, datistemplate,
               EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'public')
        FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = dattablespace
        WHERE datname = current_database()
        """
    ).fetchone()
    assert row is not None  # the current database exists
    oid, owner, tablespace, encoding, provider, collate, ctype, locale, rules, comment, limit, template, public = row
    held_back = False
    comment = without_note(comment)
    if isinstance(comment, str) and comment.startswith(MARK):  # our mark, not the database's comment
        held_back = '"lets_event_triggers_fire": true' in comment
        comment = None
    privileges = connection.execute(
        """
        SELECT g.rolname, a.privilege_type, bool_or(a.is_grantable)
        FROM pg_catalog.pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
        LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee
        WHERE d.oid = %s AND (a.grantee = 0 OR g.oid IS NOT NULL) GROUP BY 1, 2 ORDER BY 1 NULLS FIRST, 2
        """,
        (oid,),
    ).fetchall()
    configured = connection.execute(
        """
        SELECT r.rolname, s.setting FROM pg_catalog.pg_db_role_setting c
        CROSS JOIN unnest(c.setconfig) WITH ORDINALITY s(setting, position)
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = c.setrole
        WHERE c.setdatabase = %s AND (c.setrole = 0 OR r.oid IS NOT NULL) ORDER BY 1 NULLS FIRST, s.position
        """,
        (oid,),
    ).fetchall()
    pairs = [(role, *str(setting).split("=", 1)) for role, setting in configured]
    labels = connection.execute(
        "SELECT provider, label FROM pg_catalog.pg_shseclabel "
        "WHERE classoid = 'pg_catalog.pg_database'::regclass AND objoid = %s ORDER BY 1",
        (oid,),
    ).fetchall()
    extensions = connection.execute("SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1").fetchall()
    return Properties.model_validate(
        {
            "owner": owner,
            "tablespace": tablespace,
            "encoding": encoding,
            "provider": provider,
            "collate": collate,
            "ctype": ctype,
            "locale": locale,
            "icu_rules": rules,
            "closing": {"comment": comment, "connection_limit": limit, "is_template": template},
            "privileges": privileges,
            "settings": [
                (name, value)
                for role, name, value in pairs
                if role is None and not (held_back and name == "event_triggers")
            ],
            "role_settings": [(role, name, value) for role, name, value in pairs if role is not None],
            "labels": labels,
            "extensions": extensions,
            "public_schema": public,
        }
    )


def database_settings(connection: _Connection) -> dict[str, str]:
    """The entries of a manifest on the whole database: the properties, and the keys that earlier releases read."""
    found = read_properties(connection)
    roles = connection.execute(
        """
        SELECT rolname FROM pg_catalog.pg_roles WHERE oid IN (
            SELECT relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
            UNION SELECT (aclexplode(relacl)).grantee FROM pg_catalog.pg_class WHERE oid >= 16384
            UNION SELECT nspowner FROM pg_catalog.pg_namespace WHERE oid >= 16384
            UNION SELECT proowner FROM pg_catalog.pg_proc WHERE oid >= 16384
            UNION SELECT (aclexplode(nspacl)).grantee FROM pg_catalog.pg_namespace WHERE nspname = 'public' OR oid >= 16384
        ) ORDER BY 1
        """
    ).fetchall()
    return {
        "encoding": found.encoding,
        "collate": found.collate,
        "ctype": found.ctype,
        "provider": found.provider,
        "icu_locale": found.locale or "",
        **{f"set.{name}": value for name, value in found.settings},
        "roles": "\n".join(str(role) for (role,) in roles),
        KEY: found.model_dump_json(),
    }


def recorded_properties(settings: Mapping[str, str]) -> Properties | None:
    """The properties in a snapshot; None for releases that did not record them.

    Raises:
        DamagedRepository: they cannot be read.
    """
    if KEY not in settings:
        return None
    try:
        return Properties.model_validate_json(settings[KEY])
    except ValidationError as error:
        raise DamagedRepository(
            "The snapshot's properties of the database cannot be read.",
            where="native_schema.settings.properties",
            why=str(error.errors()[0]["msg"]),
            fix="Use another snapshot.",
        ) from error


def properties_of_earlier_release(settings: Mapping[str, str]) -> Properties:
    """The properties of a snapshot of an earlier release, which recorded locale and settings only."""
    prefix = "set."
    return Properties(
        owner="",
        tablespace="",
        encoding=settings["encoding"],
        provider=settings.get("provider", "c"),
        collate=settings["collate"],
        ctype=settings["ctype"],
        locale=settings.get("icu_locale") or None,
        icu_rules=None,
        closing=Closing(),
        privileges=(),
        settings=tuple((k.removeprefix(prefix), v) for k, v in sorted(settings.items()) if k.startswith(prefix)),
        role_settings=(),
        labels=(),
        extensions=(),
        public_schema=True,
    )


# -- statements ---------------------------------------------------------------------------------------------------


def locale_clauses(wanted: Properties, server_version: int) -> Iterator[str]:
    """The clauses of CREATE DATABASE for encoding and locale. They always name the provider, because clusters have different defaults."""
    yield f"ENCODING {literal(wanted.encoding)}"
    if server_version >= 150000:
        yield f"LOCALE_PROVIDER {_PROVIDERS.get(wanted.provider, 'libc')}"
    yield f"LC_COLLATE {literal(wanted.collate)} LC_CTYPE {literal(wanted.ctype)}"
    if wanted.provider == "i" and wanted.locale:
        yield f"ICU_LOCALE {literal(wanted.locale)}"
        if wanted.icu_rules:
            yield f"ICU_RULES {literal(wanted.icu_rules)}"
    if wanted.provider == "b" and wanted.locale:
        yield f"BUILTIN_LOCALE {literal(wanted.locale)}"


def setting_statement(database: str, role: str | None, name: str, value: str) -> str:
    """ALTER DATABASE … SET, or with a role ALTER ROLE … IN DATABASE … SET; list settings get a list."""
    whose = f"DATABASE {identifier(database)}"
    if role is not None:
        whose = f"ROLE {identifier(role)} IN {whose}"
    parameter = ".".join(identifier(part) for part in name.split("."))
    return f"ALTER {whose} SET {parameter} TO {_setting_value(name, value)}"


def privilege_statements(database: str, wanted: Properties, present: Properties) -> Iterator[tuple[str, str]]:
    """(name in a comparison, GRANT or REVOKE) for every privilege in which `present` differs from `wanted`."""
    on = f"ON DATABASE {identifier(database)}"
    was, now = _privileges(wanted), _privileges(present)
    for grantee, privilege in sorted(now.keys() | was.keys(), key=str):
        before, after = now.get((grantee, privilege)), was.get((grantee, privilege))
        if before == after:
            continue
        role = "PUBLIC" if grantee is None else identifier(present.owner if grantee == "" else grantee)
        name = privilege_name("its owner" if grantee == "" else grantee, privilege)
        if after is None:
            yield name, f"REVOKE {privilege} {on} FROM {role}"
        elif before is not None and not after:
            yield name, f"REVOKE GRANT OPTION FOR {privilege} {on} FROM {role}"
        else:
            yield name, f"GRANT {privilege} {on} TO {role}{' WITH GRANT OPTION' if after else ''}"


def closing_statements(database: str, closing: Closing) -> Iterator[str]:
    """The statements that give a staging database its final properties, for the transaction that promotes it."""
    name = identifier(database)
    yield f"COMMENT ON DATABASE {name} IS {'NULL' if closing.comment is None else literal(closing.comment)}"
    if closing.connection_limit != -1:
        yield f"ALTER DATABASE {name} CONNECTION LIMIT {closing.connection_limit}"
    if closing.is_template:
        yield f"ALTER DATABASE {name} IS_TEMPLATE true"
    if closing.lets_event_triggers_fire:
        yield f"ALTER DATABASE {name} RESET event_triggers"


def _privileges(properties: Properties) -> dict[tuple[str | None, str], bool]:
    """(grantee, privilege) -> with grant option; the owner is "", because another server may have another owner."""
    return {
        ("" if grantee == properties.owner else grantee, privilege): grantable
        for grantee, privilege, grantable in properties.privileges
    }


def _setting_value(name: str, value: str) -> str:
    if name.lower() not in _LISTS:
        return literal(value)
    return ", ".join(map(literal, listed(value))) or "''"


def listed(value: str) -> list[str]:
    """The names in a list setting; [value] if it is not a list."""
    items, at = [], 0
    while at < len(value):
        found = _LIST_ITEM.match(value, at)
        if found is None:
            return [value]
        items.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
    return items
