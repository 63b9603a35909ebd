"""What columns can be and hold, engine by engine, and the SQL that makes tables of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Protocol

from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.zoo.random_schemas import RandomTable

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class ColumnKind:
    """A declared type and the values such a column may hold."""

    declared: str
    values: st.SearchStrategy[Any]
    comparable: bool = True  # it can be unique: the engine has an index for it, and we know which values are equal
    respelled: Callable[[Any], Any] | None = None  # the same value written otherwise: a reference may hold it so


class Dialect(Protocol):
    """What is different between the engines."""

    kinds: tuple[ColumnKind, ...]
    key_kinds: tuple[ColumnKind, ...]
    counted_kind: ColumnKind
    strays: st.SearchStrategy[Any] | None  # what a reference may hold that points at nothing

    def create_table(self, table: RandomTable, others: Sequence[RandomTable]) -> str:
        """CREATE TABLE, without what only holds once the rows are there."""

    def insert(self, table: str, columns: Sequence[str], row: Sequence[Any]) -> Statement:
        """One row."""

    def after_rows(self, table: RandomTable) -> list[str]:
        """Keys, indexes, counters, views."""

    def references(self, table: RandomTable, others: Sequence[RandomTable]) -> list[str]:
        """Foreign keys, when all tables have their keys."""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _float_text(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return str(value).replace("inf", "Infinity").replace("nan", "NaN")
    return repr(value)


def _whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_AWKWARD = st.sampled_from(
    ("", "\\.", "\\N", "NULL", "null", '"', "'", "a,b", "{}", "\r\n", " x ", "%s", "1", "1.0", "true")
)
_TEXTS = _TEXT | _AWKWARD
_FLOATS = st.floats(allow_nan=False) | st.sampled_from((-0.0, 0.1, 5e-324, 1e308))
_JSON = st.recursive(
    st.none() | st.booleans() | _whole(64) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=4,
).map(lambda value: json.dumps(value, ensure_ascii=False))


class SqliteDialect:
    """Declared types are advice: any column may hold a value of any storage class."""

    # A NUL after a number is left out: one version of SQLite takes such a text for the number, another for a text.
    _with_nul = _TEXT.map(lambda text: f"{text}x\0")
    _anything = _whole(64) | _FLOATS | _TEXTS | _with_nul | st.binary(max_size=9)
    strays = _anything
    counted_kind = ColumnKind("integer", _whole(64))
    key_kinds = (
        ColumnKind("integer", _whole(64)),
        ColumnKind("bigint", _whole(64)),
        ColumnKind("varchar(20)", _TEXTS),
        ColumnKind("char(32)", st.uuids().map(lambda value: value.hex)),
    )
    kinds = (
        *key_kinds,
        ColumnKind("bool", st.integers(0, 1), comparable=False),
        ColumnKind("real", _FLOATS),
        ColumnKind("decimal", _whole(64) | _FLOATS),
        ColumnKind("decimal", st.decimals(-1000, 1000, places=3).map(float)),
        ColumnKind("datetime", st.datetimes().map(str)),
        ColumnKind("blob", st.binary(max_size=9)),
        ColumnKind("text", _JSON),
        ColumnKind("", _anything),
        ColumnKind("integer", _anything),
        ColumnKind("varchar(9)", _anything),
    )

    def create_table(self, table: RandomTable, others: Sequence[RandomTable]) -> str:
        lines = []
        for column in (*table.key, *table.columns):
            null = "" if column.nullable else " NOT NULL"
            unique = " UNIQUE" if column.unique and column not in table.key else ""
            line = f"{quoted(column.name)} {column.kind.declared}{null}{unique}"
            lines.append("id integer PRIMARY KEY AUTOINCREMENT" if table.counted and column in table.key else line)
        for reference in table.references:
            key = others[reference.target].key[0]
            null = "" if reference.nullable else " NOT NULL"
            lines.append(
                f"{quoted(reference.name)} {key.kind.declared}{null} REFERENCES {quoted(others[reference.target].name)} "
                f"({quoted(key.name)}) DEFERRABLE INITIALLY DEFERRED"
            )
        if table.key and not table.counted:
            lines.append(f"PRIMARY KEY ({', '.join(quoted(column.name) for column in table.key)})")
        hidden = " WITHOUT ROWID" if len(table.key) == 2 else ""
        return f"CREATE TABLE {quoted(table.name)} ({', '.join(lines)}){hidden}"

    def insert(self, table: str, columns: Sequence[str], row: Sequence[Any]) -> Statement:
        marks = ", ".join("?" for _ in row)
        return f"INSERT INTO {quoted(table)} ({', '.join(map(quoted, columns))}) VALUES ({marks})", tuple(row)

    def references(self, table: RandomTable, others: Sequence[RandomTable]) -> list[str]:
        return []  # SQLite takes them with the table only

    def after_rows(self, table: RandomTable) -> list[str]:
        if not table.partial_index or not table.columns:
            return []
        name = quoted(table.columns[0].name)
        return [
            f"CREATE INDEX {quoted(f'part of {table.name}')} ON {quoted(table.name)} ({name}) WHERE {name} IS NOT NULL",
            f"CREATE VIEW {quoted(f'view of {table.name}')} AS SELECT {name} FROM {quoted(table.name)}",
        ]


class PostgresDialect:
    """Types hold what they say; values are given as texts that the type's own input function reads."""

    strays = None
    counted_kind = ColumnKind("integer", st.integers(-5, 2**31 - 2))
    key_kinds = (
        ColumnKind("bigint", _whole(64)),
        ColumnKind("text", _TEXTS),
        ColumnKind("varchar(20)", _TEXTS),
        ColumnKind("char(5)", st.text("ab ", max_size=5), respelled=lambda text: text.ljust(5)),
        ColumnKind("uuid", st.uuids().map(str)),
        ColumnKind("date", st.dates().map(str)),
        ColumnKind("numeric(9, 3)", st.decimals(-1000, 1000, places=3).map(str)),
        ColumnKind("numeric", st.decimals(-1000, 1000, places=3).map(str), respelled=lambda text: f"{text}00"),
    )
    kinds = (
        *key_kinds,
        ColumnKind("smallint", _whole(16)),
        ColumnKind("boolean", st.booleans(), comparable=False),
        ColumnKind("numeric", st.decimals(-(10**12), 10**12, places=7).map(str), comparable=False),
        ColumnKind("numeric", st.sampled_from(("NaN", "Infinity", "1.000", "1e100", "-0.0")), comparable=False),
        ColumnKind("real", st.floats(width=32).map(_float_text), comparable=False),
        ColumnKind("double precision", st.floats().map(_float_text), comparable=False),
        ColumnKind("json", _JSON, comparable=False),
        ColumnKind("jsonb", _JSON, comparable=False),
        ColumnKind("date", st.sampled_from(("infinity", "-infinity", "0044-03-15 BC", "5874897-12-31")), comparable=False),
        ColumnKind("time", st.times().map(str)),
        ColumnKind("timetz", st.times(timezones=st.just(UTC)).map(str), comparable=False),
        ColumnKind("timestamp", st.datetimes().map(str)),
        ColumnKind("timestamptz", st.datetimes(timezones=st.just(UTC)).map(str)),
        ColumnKind("timestamptz", st.sampled_from(("infinity", "4000-01-01 BC", "294276-12-31 23:59:59.999999+00")), comparable=False),
        ColumnKind("interval", st.timedeltas().map(lambda d: f"{d.days} days {d.seconds}.{d.microseconds:06} s"), comparable=False),
        ColumnKind("bytea", st.binary(max_size=9)),
        ColumnKind("inet", st.ip_addresses().map(str)),
        ColumnKind("bit varying", st.text("01", max_size=9)),
        ColumnKind("integer[]", st.lists(st.none() | _whole(32), max_size=3), comparable=False),
        ColumnKind("text[]", st.lists(st.none() | _TEXTS, max_size=3), comparable=False),
        ColumnKind("varchar(40)[]", st.lists(st.none() | _TEXTS, max_size=3), comparable=False),
        ColumnKind("int8range", st.sampled_from(("empty", "[1,5)", "(,7]", "(,)", "[-9,-9]")), comparable=False),
        ColumnKind("tsvector", st.sampled_from(("", "a fat cat", "'it''s':3B")), comparable=False),
    )  # fmt: skip

    def create_table(self, table: RandomTable, others: Sequence[RandomTable]) -> str:
        lines = [
            f"{quoted(column.name)} {column.kind.declared}{'' if column.nullable else ' NOT NULL'}"
            for column in (*table.key, *table.columns)
        ]
        if table.counted:
            lines[0] = "id integer GENERATED BY DEFAULT AS IDENTITY"
        for reference in table.references:
            kind = others[reference.target].key[0].kind
            lines.append(f"{quoted(reference.name)} {kind.declared}{'' if reference.nullable else ' NOT NULL'}")
        return f"CREATE TABLE {quoted(table.name)} ({', '.join(lines)})"

    def insert(self, table: str, columns: Sequence[str], row: Sequence[Any]) -> Statement:
        marks = ", ".join("%s" for _ in row)
        names = ", ".join(map(quoted, columns)).replace("%", "%%")
        return f"INSERT INTO {quoted(table).replace('%', '%%')} ({names}) VALUES ({marks})", tuple(row)

    def references(self, table: RandomTable, others: Sequence[RandomTable]) -> list[str]:
        return [
            f"ALTER TABLE {quoted(table.name)} ADD FOREIGN KEY ({quoted(reference.name)}) "
            f"REFERENCES {quoted(others[reference.target].name)} DEFERRABLE INITIALLY DEFERRED"
            for reference in table.references
        ]

    def after_rows(self, table: RandomTable) -> list[str]:
        name = quoted(table.name)
        alter = f"ALTER TABLE {name} ADD"
        statements = []
        if table.key:
            statements.append(f"{alter} PRIMARY KEY ({', '.join(quoted(column.name) for column in table.key)})")
        statements += [f"{alter} UNIQUE ({quoted(column.name)})" for column in table.columns if column.unique]
        if table.counted:
            statements.append(f"ALTER TABLE {name} ALTER id RESTART WITH 2000000000")
        if table.partial_index and table.columns:
            first = quoted(table.columns[0].name)
            index = quoted(f"part of {table.name}")
            statements.append(f"CREATE INDEX {index} ON {name} (({first} IS NULL)) WHERE {first} IS NOT NULL")
            view = quoted(f"view of {table.name}")
            statements.append(f"CREATE MATERIALIZED VIEW {view} AS SELECT count({first}) AS n FROM {name}")
        return statements
