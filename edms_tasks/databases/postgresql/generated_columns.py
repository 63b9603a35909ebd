"""Restore rows as they were written, whatever the EDMS's functions return today.

PostgreSQL computes a stored generated column, and checks that a row belongs in its partition, when the row is written and never
again. A restore writes every row again, and by then a function may return something else, fail, or read a table that is not loaded
yet. So a superuser's transaction takes these two marks off the table in the catalogue, loads, and puts them back: nothing is computed
or checked. For other roles the rows are loaded into a temporary table and moved when all rows are loaded; a column that would then
get other values is restored as a plain column with its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from edms_tasks.databases.postgresql.archive import Archive
from edms_tasks.databases.postgresql.check_constraints import CALLS_OWN, NOT_AN_EXTENSIONS
from edms_tasks.databases.postgresql.refusable_statements import Connection, take_settings, why_not
from edms_tasks.databases.postgresql.schema_plan import subject
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.errors import TerminalError
from edms_tasks.inventory.model import Column
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier, identifiers

_COMPUTED = """
    SELECT n.nspname, c.relname, c.oid::bigint,
           ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                 WHERE a.attrelid = c.oid AND a.attgenerated = 's' AND (%s) ORDER BY a.attnum),
           EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) above(oid)
                   JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = above.oid
                   WHERE above.oid <> c.oid AND p.partexprs IS NOT NULL AND (%s))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND %s
"""
# The topmost parent from which a table inherits the generated column; nothing if the column is plain by now.
_HIGHEST = """
    WITH RECURSIVE above(oid) AS (
        SELECT %s::oid UNION SELECT h.inhparent FROM above JOIN pg_catalog.pg_inherits h ON h.inhrelid = above.oid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = h.inhparent AND a.attname = %s AND a.attgenerated = 's'
    )
    SELECT c.oid::bigint, n.nspname, c.relname
    FROM above JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = %s AND a.attgenerated = 's'
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h JOIN above higher ON higher.oid = h.inhparent WHERE h.inhrelid = c.oid)
"""
_BELOW = """
    WITH RECURSIVE below(oid) AS (
        SELECT %s::oid UNION SELECT h.inhrelid FROM below JOIN pg_catalog.pg_inherits h ON h.inhparent = below.oid
    )
    SELECT n.nspname, c.relname, pg_catalog.quote_ident(a.attname), pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    FROM below JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = %s
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum ORDER BY c.oid
"""
_EXPRESSION = """
    SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s AND a.attname = %s AND a.attgenerated = 's'
"""


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str
    oid: int
    generated: tuple[str, ...]  # columns that the server computes
    is_by_key: bool  # a partition of a table whose key has expressions

    @property
    def quoted(self) -> str:
        return identifier(self.schema, self.name)

    @property
    def waiting(self) -> str:
        """The quoted name of the temporary table for its rows."""
        return identifier(self.schema, f"_edms_backup_{self.oid}")


@dataclass(frozen=True)
class _Plain:
    """A generated column that was made a plain one."""

    table: tuple[str, str]
    quoted: str
    expression: str
    why: str
    highest: str  # its table, quoted, if no parent has the column; otherwise ""


@dataclass(frozen=True)
class Destination:
    """The table that a table's rows are copied into: itself or its temporary table."""

    name: str  # quoted
    columns: Sequence[Column]
    is_itself: bool


class GeneratedTables:
    """The tables of a staging database whose generated columns or partition keys need this."""

    def __init__(self, connection: Connection, *, is_superuser: bool, another_version: bool) -> None:
        """Find the tables.

        Args:
            connection: to the database, whose tables are created and empty.
            is_superuser: whether this role may write into the catalogue.
            another_version: whether the server's version differs from the source's, so that its own functions may return something else.
        """
        self._is_superuser = is_superuser
        all_generated = is_superuser or another_version
        theirs = NOT_AN_EXTENSIONS.format(catalogue="pg_catalog.pg_class", oid="c.oid")
        key = "true" if all_generated else CALLS_OWN.format(tree="p.partexprs")
        query = _COMPUTED % ("true" if all_generated else CALLS_OWN.format(tree="d.adbin"), key, theirs)
        self._tables: dict[tuple[str | None, str], _Table] = {}
        for schema, name, oid, generated, by_key in connection.execute(query.encode()).fetchall():
            assert isinstance(generated, list)  # text[], says the query
            if generated or by_key:
                found = _Table(str(schema), str(name), int(str(oid)), tuple(generated), bool(by_key))
                self._tables[found.schema, found.name] = found
        self._waiting: list[tuple[_Table, TableEntry]] = []

    def waits(self, entry: TableEntry) -> bool:
        """Whether the table's rows wait in a temporary table, until `settle`."""
        return not self._is_superuser and (entry.table.schema_name, entry.table.name) in self._tables

    @contextmanager
    def loading(self, connection: Connection, entry: TableEntry) -> Iterator[Destination]:
        """Yield the destination of a table's rows, inside a transaction that has emptied the table."""
        table = self._tables.get((entry.table.schema_name, entry.table.name))
        stored = entry.table.stored_columns
        if table is None:
            yield Destination(identifier(entry.table.schema_name, entry.table.name), stored, is_itself=True)
            return
        carried = {column.name for column in stored} | ({*table.generated} & {*entry.encodings})
        columns = [column for column in entry.table.columns if column.name in carried]
        if self._is_superuser:
            # Only those that come with their rows. A plain column that does not come gets its default, and the default of
            # this one is an expression over a row that is not there yet: the server process crashes.
            brought = replace(table, generated=tuple(name for name in table.generated if name in carried))
            _mark(connection, brought, "", "false")
            yield Destination(table.quoted, columns, is_itself=True)
            _mark(connection, brought, "s", "true")
            return
        connection.execute(
            f"CREATE UNLOGGED TABLE {table.waiting} AS SELECT * FROM ONLY {table.quoted} WITH NO DATA".encode()
        )
        yield Destination(table.waiting, columns, is_itself=False)
        self._waiting.append((table, entry))

    def settle(
        self, connection: Connection, settings: Mapping[str, str], archive: Archive
    ) -> tuple[Archive, list[LeftOut]]:
        """When all rows are loaded: move those in temporary tables into their tables.

        Args:
            connection: to the database, with an empty search path.
            settings: the settings of the EDMS's sessions, with which its functions find the names they use.
            archive: the archive that the tables were created from.

        Returns:
            The archive with the tables as they are now, and the columns that became plain.

        Raises:
            TerminalError: the server refuses rows, such as those that do not belong in their partition any more.
        """
        plain = [
            made
            for table, entry in self._waiting
            for column in table.generated
            if column in entry.encodings
            and (why := _why_not_as_it_was(connection, table, column, settings)) is not None
            for made in _make_plain(connection, table, column, why)
        ]
        for table, entry in self._waiting:
            _move(connection, table, entry, settings)
        return _without_expressions(archive, plain)


def _mark(connection: Connection, table: _Table, generated: str, is_partition: str) -> None:
    """Set the catalogue's marks that make the server compute these columns and check the partition's key."""
    connection.execute(
        "UPDATE pg_catalog.pg_attribute SET attgenerated = %s WHERE attrelid = %s AND attname = ANY (%s)",
        (generated, table.oid, [*table.generated]),
    )
    if table.is_by_key:
        connection.execute(
            "UPDATE pg_catalog.pg_class SET relispartition = %s WHERE oid = %s", (is_partition, table.oid)
        )


def _why_not_as_it_was(connection: Connection, table: _Table, column: str, settings: Mapping[str, str]) -> str | None:
    """Why the column would get other values than its rows have; None if it would not."""
    row = connection.execute(_EXPRESSION, (table.oid, column)).fetchone()
    if row is None:  # it was made plain with its parent's
        return None
    # The record operator *= compares bytes, for all types.
    differs = f"NOT (ROW({identifier(column)})::record OPERATOR(pg_catalog.*=) ROW({row[0]})::record)"
    try:
        with connection.transaction():
            take_settings(connection, settings)
            found = connection.execute(f"SELECT count(*) FROM {table.waiting} WHERE {differs}".encode()).fetchone()
    except psycopg.Error as error:
        return why_not(error)
    assert found is not None  # an aggregate always has a row
    return f"its expression gives another value now in {found[0]:,} rows" if found[0] else None


def _make_plain(connection: Connection, table: _Table, column: str, why: str) -> Iterator[_Plain]:
    """Make the column plain, with the same column of parents and children; yields all of them."""
    for oid, schema, name in connection.execute(_HIGHEST, (table.oid, column, column)).fetchall():
        below = connection.execute(_BELOW, (oid, column)).fetchall()
        highest = identifier(str(schema), str(name))
        try:
            connection.execute(f"ALTER TABLE {highest} ALTER COLUMN {identifier(column)} DROP EXPRESSION".encode())
        except psycopg.Error as error:
            raise _refused(connection, highest, error) from error
        reason = f"{column} of {table.schema}.{table.name} ({why})"
        for of_schema, of_table, quoted, expression in below:
            is_highest = (of_schema, of_table) == (schema, name)
            yield _Plain(
                (str(of_schema), str(of_table)), str(quoted), str(expression), reason, highest if is_highest else ""
            )


def _move(connection: Connection, table: _Table, entry: TableEntry, settings: Mapping[str, str]) -> None:
    rows = connection.execute(
        "SELECT attname::text FROM pg_catalog.pg_attribute "
        "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        (table.oid,),
    ).fetchall()
    names = identifiers(str(name) for (name,) in rows)
    try:
        with connection.transaction():
            take_settings(connection, settings)
            statement = (
                f"INSERT INTO {table.quoted} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {table.waiting}"
            )
            moved = connection.execute(statement.encode()).rowcount
            connection.execute(f"DROP TABLE {table.waiting}".encode())
    except psycopg.Error as error:
        raise _refused(connection, table.quoted, error) from error
    assert moved == entry.state.rows, table.quoted  # a statement writes all rows or none


def _without_expressions(archive: Archive, plain: Sequence[_Plain]) -> tuple[Archive, list[LeftOut]]:
    """The archive without the expressions of plain columns (pg_dump writes them into the table's definition), and what that leaves out."""
    entries, left_out = [], []
    for entry in archive.entries:
        text, columns = entry.text("definition"), []
        these = [
            one for one in plain if entry.kind == "TABLE" and one.table == (entry.text("schema"), entry.text("tag"))
        ]
        for one in these:
            generated = f" GENERATED ALWAYS AS ({one.expression}) STORED"
            at = text.find(generated, text.find(f"\n    {one.quoted} "))
            if at < 0:  # only the parent's definition has it
                continue
            begin, end = text.rindex(f"\n    {one.quoted} ", 0, at), text.find("\n", at + len(generated))
            columns.append((one, text[begin:end].strip().removesuffix(",")))
            text = text[:at] + text[at + len(generated) :]
        if columns:
            highest = next((one.highest for one, _ in columns if one.highest), "")
            dropped = ", ".join(f"DROP COLUMN {one.quoted}" for one, _ in columns)
            added = ", ".join(f"ADD COLUMN {definition}" for _, definition in columns)
            statement = f"ALTER TABLE {highest} {dropped}, {added}" if highest else ""
            why = "; ".join(dict.fromkeys(one.why for one, _ in columns))
            left_out.append(LeftOut(subject(entry), why, statement, instead=text))
            entry = entry.changed("definition", text.encode("utf-8", "surrogateescape"))
        entries.append(entry)
    return replace(archive, entries=tuple(entries)), left_out


def _refused(connection: Connection, table: str, error: psycopg.Error) -> TerminalError:
    return TerminalError(
        f"Rows of {table} were refused by PostgreSQL: their expressions give other values now than when the rows were written.",
        where=connection.info.dbname,
        why=why_not(error),
        fix="The live system is untouched. Restore as a superuser (EDMS_BACKUP__RESTORE__DATABASE), which loads them as they were; "
        "or correct the function at the source, take a new backup, and restore that.",
    )
