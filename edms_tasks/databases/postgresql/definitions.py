"""The definitions of a PostgreSQL schema: the entries of pg_dump's archive, and a few facts that pg_dump leaves out.

Which materialised views are filled, constraints whose triggers are disabled, and the versions of extensions are not in the
archive. They were read from the catalogue when it was written.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator

import psycopg

from edms_tasks.databases.omissions import MAY_HOLD_PASSWORDS
from edms_tasks.databases.postgresql.archive import Entry, read_archive
from edms_tasks.databases.postgresql.archive_statements import split
from edms_tasks.databases.postgresql.properties import recorded_properties
from edms_tasks.databases.postgresql.schema_plan import OWNED, subject
from edms_tasks.databases.protocol import CapturedSchema, Definition
from edms_tasks.json_text import parsed_json
from edms_tasks.quoting import identifier

UNENFORCED = "unenforced"  # in NativeSchema.settings
_PRIVILEGES = {"ACL", "DEFAULT ACL"}
# Entries about the whole database; they are compared as its properties.
_WHOLE = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES"}
_ABOUT_ANOTHER = {"ACL", "COMMENT", "SECURITY LABEL"}  # their tag names the object that they are about
_USUAL_ACCESS_METHOD = "heap"
_STATES = {"D": "disabled", "R": "for replicas only", "A": "always"}
_LITERAL = r"E?'(?:[^'\\]|''|\\.)*'"
# A list cast as a whole; the server writes it with a cast of each item after it has parsed it once.
_CAST_AS_A_LIST = re.compile(
    rf"\(ARRAY\[((?:{_LITERAL}::character varying(?:\(\d+\))?(?:, )?)+)\]\)::text\[\]", re.DOTALL
)
_ITEM = re.compile(rf"{_LITERAL}::character varying(?:\(\d+\))?", re.DOTALL)
_PARAMETERS = re.compile(r"WITH \(((?:\"?[\w.]+\"?='[^']*'(?:, )?)+)\)")


def read_definitions(schema: CapturedSchema) -> tuple[Definition, ...]:
    """Everything that a captured schema creates or sets. Raises DamagedRepository if it is not an archive."""
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
    """The subject of the definition that a materialised view (by its quoted name) is filled."""
    names = [part.replace('""', '"') for part in re.findall(r'"((?:[^"]|"")*)"', view)]
    return f"CONTENTS {' '.join(names)}"


def _part(field: str, entry: Entry) -> Definition:
    return Definition(f"{field} of {entry.name}", entry.text(field), entry.text(field), part_of=subject(entry))


def read_unenforced(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """JSON of constraints whose triggers do not all fire: ([schema, table, name], text) each."""
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
    states: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for schema, table, name, on, state in rows:
        states[str(schema), str(table), str(name)][f"{_STATES.get(str(state), state)} on {on}"] = None
    return json.dumps([[list(names), "; ".join(texts)] for names, texts in states.items()], ensure_ascii=False)


def _beyond_the_archive(schema: CapturedSchema) -> Iterator[Definition]:
    for view in schema.materialized_views:
        yield Definition(contents_of(view), "filled", "filled")
    for (of_schema, table, name), text in parsed_json(schema.settings.get(UNENFORCED, "[]")):
        yield Definition(f"ENFORCEMENT {of_schema} {table} {name}", text, text, lapse=True)
    recorded = recorded_properties(schema.settings)
    for extension, version in recorded.extensions if recorded else ():
        yield Definition(f"EXTENSION VERSION - {extension}", version, version, chosen_by_server=True)


def _access_method(entry: Entry) -> str:
    method = entry.text("access method")
    return f"\nUSING {identifier(method)}" if method not in ("", _USUAL_ACCESS_METHOD) else ""


def _normal(name: str, texts: list[str]) -> str:
    """A text that is equal for equal meanings: privileges and storage parameters sorted, casts of lists in one form."""
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
