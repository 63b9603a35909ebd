"""One relation of a database as its own driver and catalogue show it, with no code of the product.

Two pictures are equal when the rows are (every value, and in SQLite its type), and the columns, constraints, indexes,
triggers, view definition and counters.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

Picture = dict[str, list[str]]

_POSTGRES_CATALOGUE = {
    "kind": "SELECT relkind::text, relispopulated FROM pg_class WHERE oid = %(oid)s",
    "columns": """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attgenerated::text,
               pg_get_expr(d.adbin, d.adrelid), l.collname
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """,
    "constraints": """
        SELECT conname, pg_get_constraintdef(oid), convalidated, condeferrable, condeferred
        FROM pg_constraint WHERE conrelid = %(oid)s ORDER BY conname
    """,
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisunique FROM pg_index WHERE indrelid = %(oid)s ORDER BY 1
    """,
    "triggers": """
        SELECT pg_get_triggerdef(t.oid), p.prosrc, t.tgenabled::text
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE tgrelid = %(oid)s AND NOT tgisinternal ORDER BY 1
    """,
    "view": "SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = %(oid)s AND relkind IN ('v', 'm')",
    "counters": """
        SELECT s.relname, pg_sequence_last_value(s.oid::regclass)
        FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        WHERE d.refobjid = %(oid)s ORDER BY 1
    """,
}


def picture_of_relation(url: str, name: str) -> Picture:
    """The relation as it is; `name` as Django's `db_table` spells it."""
    if url.startswith("sqlite:///"):
        return _of_sqlite(Path(url.removeprefix("sqlite:///")), name)
    return _of_postgresql(url, name)


def quoted(name: str) -> str:
    """The name in quotes, as Django does it: a name that brings its own, or a pair in its middle, keeps them."""
    if name.startswith('"') and name.endswith('"'):
        return name
    return '"' + (name if '"."' in name else name.replace('"', '""')) + '"'


def _of_sqlite(path: Path, name: str) -> Picture:
    bare = name.strip('"') if name.startswith('"') else name
    with closing(sqlite3.connect(path)) as connection:
        schema = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name = ?1 OR tbl_name = ?1 ORDER BY 1, 2",
            (bare,),
        ).fetchall()
        counters: list[tuple[object, ...]] = []
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            counters = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (bare,)).fetchall()
        columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({quoted(name)})")]
        connection.text_factory = _Text
        rows = connection.execute(f"SELECT * FROM {quoted(name)}").fetchall()
    return {
        "columns": columns,
        "rows": sorted(repr([_exact(value) for value in row]) for row in rows),
        "schema": [repr(row) for row in schema],
        "counters": [repr(row) for row in counters],
    }


class _Text(bytes):
    """The bytes of a TEXT; a BLOB's are plain bytes."""


def _exact(value: object) -> tuple[str, object]:
    return (type(value).__name__, value.hex() if isinstance(value, float) else value)


def _of_postgresql(url: str, name: str) -> Picture:
    with psycopg.connect(url) as session:
        oid = session.execute("SELECT %s::regclass::oid", (quoted(name),)).fetchone()
        assert oid is not None
        picture = {
            part: [repr(row) for row in session.execute(query.encode(), {"oid": oid[0]})]
            for part, query in _POSTGRES_CATALOGUE.items()
        }
        if picture["kind"] == ["('m', False)"]:
            return picture  # a materialised view that was never filled has no rows to ask for
        with session.cursor().copy(f"COPY (SELECT * FROM {quoted(name)}) TO STDOUT".encode()) as stream:
            text = b"".join(stream).decode()
    return {**picture, "rows": sorted(text.split("\n"))}
