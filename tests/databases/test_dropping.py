"""Tables and columns dropped by name: what goes is listed, what depends on them is named, and nothing else is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql import dropping as on_postgresql
from edms_tasks.databases.protocol import DroppedPart, Unwanted
from edms_tasks.databases.sqlite import dropping as on_sqlite
from edms_tasks.errors import SnapshotNewerThanCode
from tests.independent_comparison import picture_of_postgres, picture_of_sqlite

ENGINES = ["sqlite", "postgresql"]
SCHEMA = (
    'CREATE TABLE "go""ne" (id integer PRIMARY KEY, other_id integer)',
    'CREATE TABLE "Gone too" (id integer PRIMARY KEY, first_id integer REFERENCES "go""ne" (id))',
    'CREATE TABLE kept (id integer PRIMARY KEY, a integer, "the x" integer, gone_id integer REFERENCES "go""ne" (id), '
    "code integer UNIQUE)",
    'CREATE INDEX both_columns ON kept (a, "the x")',
    "CREATE INDEX only_a ON kept (a)",
    "CREATE TABLE django_migrations (id integer PRIMARY KEY, app text, name text)",
    'INSERT INTO "go""ne" VALUES (1, 2), (2, NULL)',
    'INSERT INTO "Gone too" VALUES (1, 1)',
    "INSERT INTO kept VALUES (1, 10, 100, 1, 7), (2, 20, NULL, NULL, 8), (3, 30, 300, 2, 9)",
    "INSERT INTO django_migrations VALUES (1, 'a', '0001'), (2, 'a', '0002'), (3, 'b', '0002')",
)


@dataclass(frozen=True)
class Small:
    """A small database of either engine."""

    engine: str
    url: str

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements; the rows of the last."""
        if self.engine == "sqlite":
            with closing(sqlite3.connect(self._path)) as connection, connection:
                return [connection.execute(statement).fetchall() for statement in statements][-1]
        with psycopg.connect(self.url, autocommit=True) as session:
            done = [session.execute(statement.encode()) for statement in statements][-1]
            return done.fetchall() if done.description else []

    def drop(self, tables: tuple[str, ...], columns: dict[str, tuple[str, ...]]) -> tuple[DroppedPart, ...]:
        """Drop by name, and the record of `a.0002`."""
        address = DatabaseAddress.from_url(self.url)
        scratch = Path(self._path).parent if self.engine == "sqlite" else Path()
        with open_database(address).view(scratch, 1) as view:
            known = {table.id: table for table in view.tables()}
        unwanted = Unwanted(
            tables=tuple(known[name] for name in tables),
            columns=tuple((known[name], names) for name, names in columns.items()),
            records=known["django_migrations"],
            migrations=(("a", "0002"),),
        )
        if self.engine == "sqlite":
            return on_sqlite.drop_parts(self._path, unwanted)
        return on_postgresql.drop_parts(address, unwanted)

    def broken(self) -> dict[str, int]:
        """What the engine says of its foreign keys."""
        if self.engine == "sqlite":
            return on_sqlite.broken_references(self._path)
        return on_postgresql.broken_references(DatabaseAddress.from_url(self.url))

    def picture(self) -> dict[str, object]:
        """All of it, read without the product."""
        return picture_of_sqlite(self._path) if self.engine == "sqlite" else picture_of_postgres(self.url)

    @property
    def _path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))


@pytest.fixture(params=ENGINES)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    if request.param == "sqlite":
        made = Small("sqlite", f"sqlite:///{tmp_path / 'small.sqlite3'}")
    else:
        made = Small("postgresql", request.getfixturevalue("postgres_database"))
    made.run(*SCHEMA)
    return made


def test_dropped_parts_are_listed_with_their_contents_and_dependents(small: Small) -> None:
    dropped = small.drop(('go"ne', "Gone too"), {"kept": ("the x", "gone_id")})

    said = [(part.kind, part.name, part.held) for part in dropped]
    assert [one for one in said if one[0] != "dependent"] == [
        ("column", "kept.the x", 2),
        ("column", "kept.gone_id", 2),
        ("table", 'go"ne', 2),
        ("table", "Gone too", 1),
        ("migration", "a.0002", 0),
    ]
    along = [name for kind, name, _ in said if kind == "dependent"]
    assert any("both_columns" in name for name in along)
    assert not any("only_a" in name for name in along)
    assert small.run("SELECT * FROM kept ORDER BY id") == [(1, 10, 7), (2, 20, 8), (3, 30, 9)]
    assert small.run("SELECT app, name FROM django_migrations ORDER BY id") == [("a", "0001"), ("b", "0002")]
    names = {name for name in small.picture() if "one" in name}
    assert names == set()


DEPENDENTS: dict[str, tuple[str, Callable[[Small], object], str]] = {
    "view of a table": (
        'CREATE VIEW looks AS SELECT id FROM "Gone too"',
        lambda small: small.drop(("Gone too",), {}),
        "looks",
    ),
    "foreign key of a column that stays": ("SELECT 1", lambda small: small.drop(('go"ne',), {}), "gone_id"),
    "view of a column": (
        'CREATE VIEW looks AS SELECT "the x" FROM kept',
        lambda small: small.drop((), {"kept": ("the x",)}),
        "looks",
    ),
}


@pytest.mark.parametrize("dependent", DEPENDENTS)
def test_dependent_objects_are_named_and_nothing_is_dropped(small: Small, dependent: str) -> None:
    statement, drop, name = DEPENDENTS[dependent]
    small.run(statement)
    before = small.picture()

    with pytest.raises(SnapshotNewerThanCode, match="cannot be dropped") as refused:
        drop(small)

    assert name in refused.value.why
    assert small.picture() == before


def test_sqlite_names_triggers_and_unique_columns_that_prevent_dropping(tmp_path: Path) -> None:
    small = Small("sqlite", f"sqlite:///{tmp_path / 'small.sqlite3'}")
    small.run(
        *SCHEMA,
        'CREATE TRIGGER counts AFTER INSERT ON kept BEGIN DELETE FROM "Gone too"; END',
        'CREATE TRIGGER adds AFTER INSERT ON kept BEGIN UPDATE kept SET a = "the x"; END',
    )
    before = small.picture()

    for tables, columns, name in (
        (("Gone too",), {}, "counts"),
        ((), {"kept": ("code",)}, "code"),
        ((), {"kept": ("the x",)}, "adds"),
    ):
        with pytest.raises(SnapshotNewerThanCode) as refused:
            small.drop(tables, columns)
        assert name in refused.value.why

    assert small.picture() == before


def test_postgresql_lists_a_constraint_that_goes_with_its_column(postgres_database: str) -> None:
    small = Small("postgresql", postgres_database)
    small.run(*SCHEMA)

    dropped = small.drop((), {"kept": ("code",)})

    assert [part.name for part in dropped if part.kind == "dependent"] == [
        "constraint kept_code_key on table public.kept"
    ]


def test_event_triggers_do_not_fire_for_drops_and_are_enabled_again(postgres_database: str) -> None:
    small = Small("postgresql", postgres_database)
    small.run(
        *SCHEMA,
        "CREATE TABLE ddl_log (tag text)",
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.ddl_log VALUES (tg_tag); END $$",
        "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$",
        'CREATE EVENT TRIGGER "The log" ON ddl_command_end EXECUTE FUNCTION note()',
        'ALTER EVENT TRIGGER "The log" ENABLE ALWAYS',
        "CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION note()",
        "ALTER EVENT TRIGGER off DISABLE",
        "DELETE FROM ddl_log",
        "CREATE EVENT TRIGGER forbidden ON sql_drop EXECUTE FUNCTION forbid()",
    )

    dropped = small.drop((), {"kept": ("code",)})

    assert [part.name for part in dropped if part.kind == "column"] == ["kept.code"]
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("SELECT tag FROM ddl_log WHERE tag LIKE 'ALTER TABLE%'").fetchall() == []
        assert connection.execute("SELECT evtname, evtenabled::text FROM pg_event_trigger ORDER BY 1").fetchall() == [
            ("The log", "A"),
            ("forbidden", "O"),
            ("off", "D"),
        ]


def test_violated_foreign_keys_are_named(small: Small) -> None:
    assert small.broken() == {}
    if small.engine == "sqlite":
        small.run("PRAGMA foreign_keys = OFF", "UPDATE kept SET gone_id = 999 WHERE id < 3")
        expected = {'kept to go"ne, foreign key 0': 2}
    else:
        small.run(
            "ALTER TABLE kept DROP CONSTRAINT kept_gone_id_fkey",
            "UPDATE kept SET gone_id = 999",
            'ALTER TABLE kept ADD CONSTRAINT points FOREIGN KEY (gone_id) REFERENCES "go""ne" (id) NOT VALID',
        )
        expected = {"points of public.kept": 0}
    assert small.broken() == expected
