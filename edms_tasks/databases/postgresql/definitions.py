"""What a PostgreSQL schema defines, one by one: the entries of pg_dump's archive, and the few things that pg_dump leaves out.

The archive is the source of truth, because whatever pg_dump does not write, no restore can bring back. It says nothing of which
materialised views are filled, of constraints whose triggers are disabled, and of the versions of extensions; these come from
the catalogue, asked when the archive was made.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator

import psycopg

from edms_tasks.databases.left_out import MAY_HOLD_PASSWORDS
from edms_tasks.databases.postgresql.archive import Entry, read_archive
from edms_tasks.databases.postgresql.properties import recorded_properties
from edms_tasks.databases.postgresql.schema_plan import OWNED, subject
from edms_tasks.databases.postgresql.statements import split
from edms_tasks.databases.protocol import CapturedSchema, Definition
from edms_tasks.quoting import identifier

UNENFORCED = "unenforced"  # in NativeSchema.settings
_PRIVILEGES = {"ACL", "DEFAULT ACL"}
# What the database as a whole is, which is compared as its properties.
_WHOLE = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES"}
_ABOUT_ANOTHER = {"ACL", "COMMENT", "SECURITY LABEL"}  # tag: what it is about
_USUAL_ACCESS_METHOD = "heap"
_STATES = {"D": "disabled", "R": "for replicas only", "A": "always"}
_LITERAL = r"E?'(?:[^'\\]|''|\\.)*'"
# The server itself writes the first as the second, once it has read it.
_CAST_AS_A_LIST = re.compile(
    rf"\(ARRAY\[((?:{_LITERAL}::character varying(?:\(\d+\))?(?:, )?)+)\]\)::text\[\]", re.DOTALL
)
_ITEM = re.compile(rf"{_LITERAL}::character varying(?:\(\d+\))?", re.DOTALL)
_PARAMETERS = re.compile(r"WITH \(((?:\"?[\w.]+\"?='[^']*'(?:, )?)+)\)")


def read_definitions(schema: CapturedSchema) -> tuple[Definition, ...]:
    """Everything a captured schema creates or sets. Raises DamagedRepository where it is no archive."""
    texts: dict[str, list[str]] = defaultdict(list)
    parts, private = [], set()
    for entry in read_archive(schema.path).entries:
        if entry.kind in _WHOLE or (entry.kind in _ABOUT_ANOTHER and entry.text("tag").startswith("DATABASE ")):
            continue
        name = subject(entry)
        texts[name].append(entry.text("definition").strip() + _access_method(entry))
        if entry.kind in OWNED and entry.raw("owner"):
            parts.append(_part("owner", entry))
        if entry.raw("tablespace"):
            parts.append(_part("tablespace", entry))
        if entry.kind in MAY_HOLD_PASSWORDS:
            private.add(name)
    found = [
        Definition(
            name,
            "\n".join(sorted(of_name)),
            _normal(name, sorted(of_name)),
            tuple(_pieces(name, of_name)),
            private=name in private,
        )
        for name, of_name in texts.items()
    ]
    return (*found, *parts, *_beyond_the_archive(schema))


def contents_of(view: str) -> str:
    """The subject that says whether a materialised view, of this quoted name, is filled."""
    names = [part.replace('""', '"') for part in re.findall(r'"((?:[^"]|"")*)"', view)]
    return f"CONTENTS {' '.join(names)}"


def _part(field: str, entry: Entry) -> Definition:
    return Definition(f"{field} of {entry.name}", entry.text(field), entry.text(field), part_of=subject(entry))


def read_unenforced(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """As JSON, constraints that hold through triggers, some of which do not fire: ([schema, table, name], text) each."""
    rows = connection.execute(
        """
        SELECT n.nspname, c.relname, k.conname, t.tgrelid::pg_catalog.regclass::text, t.tgenabled::text
        FROM pg_catalog.pg_trigger t
        JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgisinternal AND t.tgenabled <> 'O'
        ORDER BY 1, 2, 3, 4, 5
        """
    ).fetchall()
    told: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for schema, table, name, on, state in rows:
        told[str(schema), str(table), str(name)][f"{_STATES.get(str(state), state)} on {on}"] = None
    return json.dumps([[list(names), "; ".join(texts)] for names, texts in told.items()], ensure_ascii=False)


def _beyond_the_archive(schema: CapturedSchema) -> Iterator[Definition]:
    for view in schema.materialized_views:
        yield Definition(contents_of(view), "filled", "filled")
    for (of_schema, table, name), text in json.loads(schema.settings.get(UNENFORCED, "[]")):
        yield Definition(f"ENFORCEMENT {of_schema} {table} {name}", text, text, lapse=True)
    recorded = recorded_properties(schema.settings)
    for extension, version in recorded.extensions if recorded else ():
        yield Definition(f"EXTENSION VERSION - {extension}", version, version, chosen_by_server=True)


def _access_method(entry: Entry) -> str:
    method = entry.text("access method")
    return f"\nUSING {identifier(method)}" if method not in ("", _USUAL_ACCESS_METHOD) else ""


def _normal(name: str, texts: list[str]) -> str:
    """The same text for the same meaning: privileges in any order, storage parameters in any order, casts of lists."""
    if pieces := _pieces(name, texts):
        return "\n".join(pieces)
    joined = "\n".join(texts)
    joined = _CAST_AS_A_LIST.sub(lambda found: f"ARRAY[{_ITEM.sub(_cast_alone, found[1])}]", joined)
    return _PARAMETERS.sub(lambda found: f"WITH ({', '.join(sorted(found[1].split(', ')))})", joined)


def _pieces(name: str, texts: list[str]) -> list[str]:
    if name.partition(" ")[0] not in _PRIVILEGES and not name.startswith("DEFAULT ACL "):
        return []
    return sorted(statement.decode("utf-8", "surrogateescape") for text in texts for statement in split(_raw(text)))


def _cast_alone(found: re.Match[str]) -> str:
    return f"({found[0]})::text"


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
