"""Read the catalogue of a SQLite file through its pragmas."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from edms_tasks.databases.index_conditions import null_tests
from edms_tasks.databases.index_terms import index_terms
from edms_tasks.databases.sqlite.generated_expressions import generated_expressions
from edms_tasks.inventory.model import Column, ForeignReference, LogicalType, Table, UniqueKey, UniqueRule
from edms_tasks.manifest import SequencePosition
from edms_tasks.quoting import identifier, literal

_NOCASE = re.compile(r"""\bCOLLATE\s+["'`\[]?NOCASE\b""", re.IGNORECASE)


def read_tables(connection: sqlite3.Connection) -> tuple[Table, ...]:
    """Every ordinary table with columns, keys and declared foreign keys, sorted by name.

    The shadow tables of virtual tables (FTS) count as ordinary tables.
    """
    names = [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        )
    ]
    keys = {name: _primary_key(connection, name) for name in names}
    folded = {name.lower(): name for name in names}
    columns = {name: _columns(connection, name) for name in names}
    return tuple(
        Table(
            id=name,
            schema_name=None,
            name=name,
            columns=columns[name],
            primary_key=keys[name],
            row_ids=_has_hidden_row_id(connection, name),
            unique_keys=_unique_keys(connection, name),
            unique_rules=_unique_rules(connection, name),
            computed=_computed(connection, name, columns[name]),
            references=_foreign_keys(connection, name, keys, folded),
        )
        for name in names
    )


def read_sequences(connection: sqlite3.Connection) -> tuple[SequencePosition, ...]:
    """The rows of sqlite_sequence: the highest id that each AUTOINCREMENT table ever had.

    Programs may write to it, so a table may have two rows; SQLite uses the first, so their order is kept.
    """
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone() is None:
        return ()
    return tuple(
        SequencePosition(name=name, last_value=value)
        for name, value in connection.execute(
            "SELECT name, seq FROM sqlite_sequence WHERE name IS NOT NULL ORDER BY name, rowid"
        )
    )


def read_counters(connection: sqlite3.Connection) -> dict[str, SequencePosition]:
    """Name of an AUTOINCREMENT table -> the highest id that it ever had (0 for none)."""
    positions = {position.name: position for position in reversed(read_sequences(connection))}
    names = [
        row[0]
        for row in connection.execute(
            # SQLite allows AUTOINCREMENT only directly after PRIMARY KEY.
            "SELECT name FROM sqlite_master WHERE type = 'table' AND upper(sql) LIKE '%PRIMARY KEY AUTOINCREMENT%'"
        )
    ]
    return {name: positions.get(name, SequencePosition(name=name, last_value=0)) for name in names}


def affinity(declared: str) -> str:
    """The column affinity that SQLite derives from a declared type (https://sqlite.org/datatype3.html §3.1)."""
    upper = declared.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(part in upper for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper:
        return "BLOB"
    if any(part in upper for part in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def affinities(connection: sqlite3.Connection, name: str) -> dict[str, str]:
    """The affinity of each column of a table; in a STRICT table, values of a column of type ANY are left as they are."""
    row = connection.execute("SELECT strict FROM pragma_table_list(?) WHERE schema = 'main'", (name,)).fetchone()
    is_strict = row is not None and bool(row[0])
    columns = connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (name,)).fetchall()
    return {
        column: "BLOB" if is_strict and declared.upper() == "ANY" else affinity(declared)
        for column, declared in columns
    }


def has_rowid(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the table has SQLite's hidden row id (all but WITHOUT ROWID tables)."""
    # As the function's argument: a WHERE would make SQLite examine every table of the database.
    row = connection.execute("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'", (name,)).fetchone()
    return row is not None and not row[0]


def free_row_id(columns: Iterable[str]) -> str | None:
    """A name for the row id of a table with these columns; None if columns have taken all three names."""
    taken = {column.lower() for column in columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)


def _has_hidden_row_id(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the table has a row id that is none of its columns. Search indexes, triggers and programs may use it."""
    if not has_rowid(connection, name):
        return False
    columns = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    if free_row_id(column for _, column, *_ in columns) is None:
        return False
    return not _key_is_row_id(connection, name)


def _key_is_row_id(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the primary key is the row id of a table that has one; INTEGER PRIMARY KEY DESC is a column of its own, with an index.

    Source: https://sqlite.org/lang_createtable.html#rowid
    """
    columns = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    key = [declared.upper() for _, _, declared, _, _, primary, _ in columns if primary]
    indexes = connection.execute(f"PRAGMA index_list({literal(name)})").fetchall()
    return key == ["INTEGER"] and not any(origin == "pk" for _, _, _, origin, _ in indexes)


def _columns(connection: sqlite3.Connection, name: str) -> tuple[Column, ...]:
    columns = []
    found = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    # Only these primary keys refuse NULL: SQLite's others allow it, any number of times (sqlite.org/lang_createtable.html).
    never_null = not has_rowid(connection, name) or _key_is_row_id(connection, name)
    row = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [name]).fetchone()
    may_ignore_case = row is not None and _NOCASE.search(row[0] or "")
    for _, column, declared, not_null, _, primary, hidden in found:
        columns.append(
            Column(
                name=column,
                native_type=declared,
                logical_type=_logical(declared),
                nullable=not not_null and not (primary and never_null),
                generated=hidden in (2, 3),
                identity="rowid" if primary and declared.upper() == "INTEGER" else "",
                collation="nocase" if may_ignore_case and _ignores_case(connection, name, column) else "",
            )
        )
    return tuple(columns)


def _ignores_case(connection: sqlite3.Connection, name: str, column: str) -> bool:
    """Whether a column's own collation is NOCASE. No pragma tells; the program of a comparison that uses no index does."""
    try:
        steps = connection.execute(f"EXPLAIN SELECT 1 FROM {identifier(name)} WHERE +{identifier(column)} = 'x'")
        return any(step[1] in ("Eq", "Ne") and str(step[5]).upper().startswith("NOCASE") for step in steps)
    except sqlite3.OperationalError:
        return False  # the table needs functions that only the EDMS has


def _logical(declared: str) -> LogicalType:
    by_name: dict[str, LogicalType] = {
        "BOOL": "boolean", "BOOLEAN": "boolean", "DATE": "date", "DATETIME": "datetime", "TIME": "time", "DECIMAL": "decimal",
    }  # fmt: skip
    by_affinity: dict[str, LogicalType] = {
        "INTEGER": "integer",
        "TEXT": "text",
        "BLOB": "binary",
        "REAL": "float",
        "NUMERIC": "other",
    }
    return by_name.get(declared.upper().split("(")[0].strip(), by_affinity[affinity(declared)])


def _primary_key(connection: sqlite3.Connection, name: str) -> tuple[str, ...]:
    ranked = [(row[5], row[1]) for row in connection.execute(f"PRAGMA table_info({literal(name)})") if row[5]]
    return tuple(column for _, column in sorted(ranked))


def _unique_keys(connection: sqlite3.Connection, name: str) -> tuple[UniqueKey, ...]:
    keys = []
    for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list({literal(name)})").fetchall():
        columns = [row[2] for row in connection.execute(f"PRAGMA index_info({literal(index)})")]
        if unique and origin != "pk" and None not in columns:  # None: an expression
            clause = _condition(connection, index) if partial else ""
            null, filled = null_tests(clause) or ((), ())
            keys.append(
                UniqueKey(
                    name=index,
                    columns=tuple(columns),
                    partial=bool(partial),
                    where_null=null,
                    where_filled=filled,
                    condition="" if null or filled else clause,
                )
            )
    return tuple(sorted(keys, key=lambda key: key.name))


def _computed(connection: sqlite3.Connection, name: str, columns: tuple[Column, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        generated_expressions(connection, name, [column.name for column in columns if column.generated]).items()
    )


def _unique_rules(connection: sqlite3.Connection, name: str) -> tuple[UniqueRule, ...]:
    """Unique indexes on expressions, and those that compare texts in another order than byte by byte."""
    rules = []
    for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list({literal(name)})").fetchall():
        if not unique:
            continue
        parts = connection.execute(f"PRAGMA index_xinfo({literal(index)})").fetchall()
        parts = [(column, collation) for _, _, column, _, collation, is_key in parts if is_key]
        if all(column is not None and collation == "BINARY" for column, collation in parts):
            continue
        terms = tuple(f"{identifier(column or '')} COLLATE {collation}" for column, collation in parts)
        if None in [column for column, _ in parts]:
            (statement,) = connection.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", [index]
            ).fetchone()
            terms = index_terms(statement)
        rules.append(
            UniqueRule(
                name=index, terms=terms, condition=_condition(connection, index) if partial and origin == "c" else ""
            )
        )
    return tuple(sorted(rules, key=lambda rule: rule.name))


def _condition(connection: sqlite3.Connection, index: str) -> str:
    (statement,) = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", [index]
    ).fetchone()
    # If a quoted name contains WHERE, the rest is not a test for NULL, and the result is empty.
    return re.split(r"\bWHERE\b", statement, maxsplit=1, flags=re.IGNORECASE)[-1].strip()


def _foreign_keys(
    connection: sqlite3.Connection, name: str, keys: dict[str, tuple[str, ...]], folded: dict[str, str]
) -> tuple[ForeignReference, ...]:
    grouped: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, _, target, column, target_column, *_ in connection.execute(f"PRAGMA foreign_key_list({literal(name)})"):
        grouped.setdefault(number, []).append((target, column, target_column))
    references: dict[str, ForeignReference] = {}
    for number, parts in sorted(grouped.items()):
        target = folded.get(parts[0][0].lower())
        if target is None:
            continue  # it refers to a table that does not exist; `inventory/build_inventory.py` reports it
        columns = tuple(_spelled(connection, name, column) for _, column, _ in parts)
        targets = tuple(column for _, _, column in parts if column is not None) or keys[target]
        label = columns[0] if len(columns) == 1 else f"foreign_key_{number}"
        references.setdefault(
            label,
            ForeignReference(
                kind="foreign",
                name=label,
                columns=columns,
                target=target,
                target_columns=tuple(_spelled(connection, target, column) for column in targets),
            ),
        )
    return tuple(sorted(references.values(), key=lambda reference: reference.name))


def _spelled(connection: sqlite3.Connection, table: str, column: str) -> str:
    """The column's name as the table declares it; a foreign key may write it in another case."""
    for row in connection.execute(f"PRAGMA table_xinfo({literal(table)})"):
        if row[1].lower() == column.lower():
            return str(row[1])
    return column
