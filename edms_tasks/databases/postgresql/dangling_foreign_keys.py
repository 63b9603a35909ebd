"""Foreign keys with dangling rows: restored as far as PostgreSQL allows them over such rows.

The server decides which they are: each is created as it was, and if rows violate it, NOT VALID, so that it applies to new rows
only. Before version 18 the key of a partitioned table cannot be NOT VALID. Then a superuser moves the violating rows aside, creates
the key and puts them back; for any other role the key is left out and reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from psycopg import errors as pg_errors

from edms_tasks.databases.postgresql.archive import Entry
from edms_tasks.databases.postgresql.archive_statements import word_after
from edms_tasks.databases.postgresql.refusable_statements import Connection, rehearse
from edms_tasks.databases.postgresql.schema_plan import subject
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.quoting import identifier, identifiers

_ASIDE = "edms_backup_rows_aside"


@dataclass
class MadeKeys:
    """The foreign keys, by result."""

    not_valid: list[str] = field(default_factory=list)
    changed: list[LeftOut] = field(default_factory=list)  # the same keys, with their definitions
    over_rows: list[str] = field(default_factory=list)  # valid for the server, as they were, although rows violate them
    left_out: list[LeftOut] = field(default_factory=list)


def with_partitioned(connection: Connection, tables: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The tables and the partitioned tables above them, in which the keys of partitions are declared."""
    found = set(tables)
    for schema, name in sorted(found):
        rows = connection.execute(
            """
            SELECT n.nspname, c.relname FROM pg_catalog.pg_partition_ancestors(%s::regclass) a
            JOIN pg_catalog.pg_class c ON c.oid = a JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            """,
            (identifier(schema, name),),
        ).fetchall()
        found |= {(str(above), str(table)) for above, table in rows}
    return found


def keys_of(entries: Sequence[Entry], tables: Iterable[tuple[str, str]]) -> list[Entry]:
    """The foreign keys that may belong to these tables.

    A tag is `table constraint`, and both may contain blanks. One key too many is harmless: each is first created as it was.
    """
    names = [(schema, f"{name} ") for schema, name in tables]
    return [
        entry
        for entry in entries
        if entry.kind == "FK CONSTRAINT"
        and any(entry.text("schema") == schema and entry.text("tag").startswith(name) for schema, name in names)
    ]


def make_keys(connection: Connection, keys: Sequence[Entry]) -> MadeKeys:
    """Create the keys in this order.

    Raises:
        psycopg.Error: the server refuses one for another reason than violating rows.
    """
    made = MadeKeys()
    for entry in keys:
        statement = entry.raw("definition").strip().removesuffix(b";")
        name = " of ".join(reversed(entry.text("tag").split(" ", 1)))
        try:
            with connection.transaction():
                connection.execute(statement)
            continue
        except pg_errors.ForeignKeyViolation:
            pass
        try:
            with connection.transaction():
                connection.execute(statement + b" NOT VALID")
            made.not_valid.append(name)
            made.changed.append(_not_valid(entry, statement))
        except (pg_errors.WrongObjectType, pg_errors.FeatureNotSupported):
            if rehearse(connection, b"SET LOCAL session_replication_role = replica") is None:
                _make_over_rows(connection, entry, statement)
                made.over_rows.append(name)
            else:
                made.left_out.append(
                    LeftOut(
                        f"FK CONSTRAINT {entry.text('schema')} {entry.text('tag')}",
                        "rows violate the foreign key of a partitioned table, which only a superuser can restore before PostgreSQL 18",
                        statement.decode("utf-8", "surrogateescape"),
                    )
                )
    return made


def _not_valid(entry: Entry, statement: bytes) -> LeftOut:
    table = statement.partition(b"ADD CONSTRAINT")[0].decode("utf-8", "surrogateescape").strip()
    constraint = word_after(statement, b"ADD", b"CONSTRAINT")
    return LeftOut(
        subject(entry),
        "some rows of its table refer to missing rows",
        f"{table} VALIDATE CONSTRAINT {identifier(constraint)}" if constraint else "",
        instead=f"{statement.decode('utf-8', 'surrogateescape')} NOT VALID;",
    )


@dataclass(frozen=True)
class _Key:
    """A foreign key as the catalogue describes it."""

    table: str  # quoted
    target: str
    pairs: tuple[tuple[str, str, str], ...]  # quoted column, operator, quoted column of the target
    full: bool  # MATCH FULL


def _make_over_rows(connection: Connection, entry: Entry, statement: bytes) -> None:
    with connection.transaction():
        # Neither the EDMS's triggers nor those of keys must fire for the rows that are moved.
        connection.execute("SET LOCAL session_replication_role = replica")
        key = _read_key(connection, entry, statement)
        leaves = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_partition_tree(%s::regclass) t JOIN pg_catalog.pg_class c ON c.oid = t.relid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.isleaf AND c.relkind = 'r'",
            (key.table,),
        ).fetchall()
        asides = [_Aside(connection, number, str(schema), str(name)) for number, (schema, name) in enumerate(leaves)]
        # If the table refers to itself, rows that refer to moved rows dangle next.
        while sum(aside.take(_dangling(key, aside.leaf)) for aside in asides):
            pass
        connection.execute(statement)
        for aside in asides:
            aside.put_back()


def _read_key(connection: Connection, entry: Entry, statement: bytes) -> _Key:
    """Create the key on an empty table of the same name and columns, and read it from the catalogue."""
    schema = entry.text("schema")
    candidates = connection.execute(
        "SELECT relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE nspname = %s AND relkind = 'p' AND starts_with(%s, relname || ' ') ORDER BY length(relname) DESC",
        (schema, entry.text("tag")),
    ).fetchall()
    for (name,) in candidates:
        table, away = identifier(schema, str(name)), identifier(_ASIDE)
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(f"ALTER TABLE {table} RENAME TO {away}".encode())
                like = f"LIKE {identifier(schema)}.{away} INCLUDING INDEXES INCLUDING GENERATED"
                connection.execute(f"CREATE TABLE {table} ({like})".encode())
                connection.execute(statement)
                row = connection.execute(_KEYS, (table,)).fetchone()
        except (pg_errors.ForeignKeyViolation, pg_errors.WrongObjectType, pg_errors.FeatureNotSupported):
            continue  # the key belongs to another table
        if row is not None:
            target, full, own, operators, theirs = row
            pairs = zip(_texts(own), _texts(operators), _texts(theirs), strict=True)
            return _Key(table, str(target), tuple((identifier(a), o, identifier(b)) for a, o, b in pairs), bool(full))
    raise pg_errors.UndefinedTable(f"no partitioned table has the key {entry.text('tag')}")


_KEYS = """
    SELECT k.confrelid::regclass::text, k.confmatchtype = 'f',
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, at)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY at),
           ARRAY(SELECT format('OPERATOR(%%I.%%s)', n.nspname, o.oprname) FROM unnest(k.conpfeqop) WITH ORDINALITY u(op, at)
                 JOIN pg_catalog.pg_operator o ON o.oid = u.op JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace ORDER BY at),
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, at)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY at)
    FROM pg_catalog.pg_constraint k WHERE k.conrelid = %s::regclass AND k.contype = 'f'
"""


def _dangling(key: _Key, leaf: str) -> str:
    """The SQL condition for rows of a partition that violate the key."""
    match = " AND ".join(f"target.{theirs} {operator} leaf.{own}" for own, operator, theirs in key.pairs)
    filled = " AND ".join(f"leaf.{own} IS NOT NULL" for own, _, _ in key.pairs)
    lost = f"({filled} AND NOT EXISTS (SELECT FROM {key.target} target WHERE {match}))"
    if not key.full:
        return lost
    partly = " OR ".join(f"leaf.{own} IS NOT NULL" for own, _, _ in key.pairs)
    return f"({lost} OR (({partly}) AND NOT ({filled})))"


class _Aside:
    """The rows of one partition that are moved aside within a transaction."""

    def __init__(self, connection: Connection, number: int, schema: str, name: str) -> None:
        self.leaf = identifier(schema, name)
        self._connection = connection
        self._kept = f"pg_temp.{identifier(f'{_ASIDE}_{number}')}"
        rows = connection.execute(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "AND attgenerated = '' ORDER BY attnum",
            (self.leaf,),
        ).fetchall()
        self._columns = identifiers(str(column) for (column,) in rows)
        empty = f"CREATE TEMPORARY TABLE {self._kept} ON COMMIT DROP AS SELECT {self._columns} FROM ONLY {self.leaf} WHERE false"
        connection.execute(empty.encode())

    def take(self, condition: str) -> int:
        """Move the rows that satisfy the condition out of the partition; returns their number."""
        taken = f"DELETE FROM ONLY {self.leaf} leaf WHERE {condition} RETURNING {self._columns}"
        moved = f"WITH taken AS ({taken}) INSERT INTO {self._kept} SELECT * FROM taken"
        return self._connection.execute(moved.encode()).rowcount

    def put_back(self) -> None:
        back = f"INSERT INTO {self.leaf} ({self._columns}) OVERRIDING SYSTEM VALUE SELECT {self._columns} FROM {self._kept}"
        self._connection.execute(back.encode())


def _texts(values: object) -> list[str]:
    assert isinstance(values, list)  # an array of the query above
    return [str(value) for value in values]
