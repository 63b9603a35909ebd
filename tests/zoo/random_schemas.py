"""Random databases of the zoo's traits as SQL: tables of every kind of key, references, uniques, and awkward rows.

A `RandomDatabase` is drawn by hypothesis and shows itself as the statements that make it, so that a failing one can be
pasted into `sqlite3` or `psql`. What an engine's columns can be and hold stands in `random_values.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.zoo.random_values import ColumnKind, Dialect

NAMES = (
    "plain",
    "Capital",
    "order",
    "two words",
    'quo"ted',
    "per%cent",
    "nk",
    "t",
    "own",
    "é😀",
    "it's",
    "r0",
    "{x} :y",
    "a.b",
)


@dataclass(frozen=True)
class RandomColumn:
    """A column; `unique` holds for its values too."""

    name: str
    kind: ColumnKind
    nullable: bool
    unique: bool


@dataclass(frozen=True)
class RandomReference:
    """A column that points at the first column of another table's key."""

    name: str
    target: int
    nullable: bool


@dataclass(frozen=True)
class RandomTable:
    """A table with its rows: key values first, then the columns', then the references'."""

    name: str
    key: tuple[RandomColumn, ...]  # empty: no primary key
    counted: bool  # the database counts the key up
    columns: tuple[RandomColumn, ...]
    references: tuple[RandomReference, ...]
    partial_index: bool
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class RandomDatabase:
    """Statements, each with its parameters."""

    statements: tuple[tuple[str, tuple[Any, ...]], ...]

    def __repr__(self) -> str:
        return "\n" + "\n".join(f"{sql};  -- {values!r}" if values else f"{sql};" for sql, values in self.statements)


@st.composite
def databases(draw: st.DrawFn, dialect: Dialect) -> RandomDatabase:
    """Up to four tables that point at each other as they like."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    bare = [draw(_tables(dialect, name)) for name in names]
    linked = [draw(_with_references(bare, table)) for table in bare]
    filled = draw(_with_rows(dialect, linked))
    statements = [(dialect.create_table(table, filled), ()) for table in filled]
    for table in filled:
        names_of_columns = [c.name for c in (*table.key, *table.columns)] + [r.name for r in table.references]
        for row in table.rows:
            statements.append(dialect.insert(table.name, names_of_columns, row))
    for table in filled:
        statements += [(sql, ()) for sql in dialect.after_rows(table)]
    for table in filled:
        statements += [(sql, ()) for sql in dialect.references(table, filled)]
    return RandomDatabase(tuple(statements))


@st.composite
def _tables(draw: st.DrawFn, dialect: Dialect, name: str) -> RandomTable:
    """A table without references and rows."""
    shape = draw(st.sampled_from(("counted", "chosen", "pair", "none")))
    width = {"counted": 0, "chosen": 1, "pair": 2, "none": 0}[shape]
    key = tuple(
        RandomColumn(f"key {number}", draw(st.sampled_from(dialect.key_kinds)), nullable=False, unique=width == 1)
        for number in range(width)
    )
    if shape == "counted":
        key = (RandomColumn("id", dialect.counted_kind, nullable=False, unique=True),)
    columns = tuple(
        draw(st.builds(RandomColumn, st.just(column), st.sampled_from(dialect.kinds), st.booleans(), st.booleans()))
        for column in draw(st.lists(st.sampled_from(NAMES), max_size=4, unique_by=str.lower))
    )
    if not key and not columns:
        columns = (RandomColumn("only", dialect.kinds[0], nullable=True, unique=False),)
    # What cannot be identified by the database is no unique column: JSON, for one, has no equality.
    columns = tuple(
        column if column.kind.comparable else RandomColumn(column.name, column.kind, column.nullable, unique=False)
        for column in columns
    )
    return RandomTable(name, key, shape == "counted", columns, (), draw(st.booleans()), ())


@st.composite
def _with_references(draw: st.DrawFn, tables: list[RandomTable], table: RandomTable) -> RandomTable:
    targets = [number for number, other in enumerate(tables) if len(other.key) == 1]
    if not targets:
        return table
    chosen = draw(st.lists(st.sampled_from(targets), max_size=2))
    references = tuple(
        RandomReference(f"to {number}", target, draw(st.booleans())) for number, target in enumerate(chosen)
    )
    return replace(table, references=references)


@st.composite
def _with_rows(draw: st.DrawFn, dialect: Dialect, tables: list[RandomTable]) -> list[RandomTable]:
    """Keys first, so that references have something to point at."""
    keys: list[list[tuple[Any, ...]]] = []
    for table in tables:
        if table.key:
            kinds = st.tuples(*(column.kind.values for column in table.key))
            distinct = draw(st.lists(kinds, max_size=5, unique_by=lambda row: tuple(map(_identity, row))))
        else:
            distinct = draw(st.lists(st.just(()), max_size=5))
        keys.append(distinct)
    _empty_the_impossible(tables, keys)
    filled = []
    for table, mine in zip(tables, keys, strict=True):
        columns = [draw(_column_values(column, len(mine))) for column in table.columns]
        references = [[draw(_pointers(dialect, tables, keys, to)) for _ in mine] for to in table.references]
        rows = tuple((*key, *values) for key, *values in zip(mine, *columns, *references, strict=True))
        filled.append(replace(table, rows=rows))
    return filled


def _empty_the_impossible(tables: list[RandomTable], keys: list[list[tuple[Any, ...]]]) -> None:
    """Take the rows away that would have to point at a table without rows, and those that point at them, and so on."""
    for _ in tables:
        for number, table in enumerate(tables):
            if any(not reference.nullable and not keys[reference.target] for reference in table.references):
                keys[number] = []


def _column_values(column: RandomColumn, count: int) -> st.SearchStrategy[list[Any]]:
    values = st.none() | column.kind.values if column.nullable else column.kind.values
    if not column.unique:
        return st.lists(values, min_size=count, max_size=count)
    # NULLs may repeat where all others may not.
    return st.lists(column.kind.values, min_size=count, max_size=count, unique_by=_identity)


def _pointers(
    dialect: Dialect, tables: list[RandomTable], keys: list[list[tuple[Any, ...]]], reference: RandomReference
) -> st.SearchStrategy[Any]:
    kind = tables[reference.target].key[0].kind
    existing = [key[0] for key in keys[reference.target]]
    options: list[st.SearchStrategy[Any]] = [st.sampled_from(existing)] if existing else []
    if reference.nullable:
        options.append(st.none())
    if dialect.strays is not None:
        options.append(dialect.strays)
    if existing and kind.respelled is not None:
        options.append(st.sampled_from(existing).map(kind.respelled))
    return st.one_of(options)


def _identity(value: Any) -> Any:
    """What a unique constraint may take for equal: numbers by value, however written, and texts without case and blanks."""
    if isinstance(value, bytes):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value).strip().casefold()
