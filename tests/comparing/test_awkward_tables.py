"""Tables that are hard to compare: no row of them is lost on the way, none passes for another, and nothing is shown that must not be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb

from edms_tasks.comparing.comparison_result import TableDifference
from edms_tasks.comparing.fields import compared, fields_of
from edms_tasks.digests.value_equality import ColumnStorage
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, NaturalKey, Table
from edms_tasks.inventory.search_indexes import belongs_to_an_index
from edms_tasks.redaction import Redaction
from tests.comparing.two_databases import compare


def differences(
    folder: Path, schema: str, before: str, after: str, keys: dict[str, NaturalKey | None], *sensitive: str
) -> dict[str, TableDifference]:
    urls = []
    for name, rows in (("before", before), ("after", after)):
        with closing(sqlite3.connect(folder / name)) as connection, connection:
            connection.executescript(schema + rows)
        urls.append(f"sqlite:///{folder / name}")
    return compare(folder, urls, keys, sensitive)


def test_rows_whose_primary_keys_are_null_are_counted_one_by_one(tmp_path: Path) -> None:
    three = "INSERT INTO t VALUES (NULL, 'x'), (NULL, 'x'), (NULL, 'x');"
    one = "INSERT INTO t VALUES (NULL, 'x');"

    found = differences(tmp_path, "CREATE TABLE t (code TEXT PRIMARY KEY, v);", three, one, {"t": None})["t"]

    assert (found.first_rows, found.second_rows) == (3, 1)
    assert (found.removed, found.added, found.same) == (2, 0, 1)


def test_a_change_is_found_through_rows_without_keys(tmp_path: Path) -> None:
    """Each row is known by what it points at alone, over three tables; on each side there is one of each."""
    schema = """
        CREATE TABLE l (id INTEGER PRIMARY KEY, v TEXT);
        CREATE TABLE m (id INTEGER PRIMARY KEY, l_id INTEGER REFERENCES l (id));
        CREATE TABLE n (id INTEGER PRIMARY KEY, m_id INTEGER REFERENCES m (id));
        CREATE TABLE o (id INTEGER PRIMARY KEY, n_id INTEGER REFERENCES n (id));
        INSERT INTO m VALUES (1, 1); INSERT INTO n VALUES (1, 1); INSERT INTO o VALUES (1, 1);
    """
    found = differences(
        tmp_path, schema, "INSERT INTO l VALUES (1, 'x');", "INSERT INTO l VALUES (1, 'y');", dict.fromkeys("lmno")
    )

    assert {name: table.differences > 0 for name, table in found.items()} == dict.fromkeys("lmno", True)


def test_references_to_a_sensitive_column_are_not_shown(tmp_path: Path) -> None:
    schema = """
        CREATE TABLE person (ssn TEXT PRIMARY KEY NOT NULL, name TEXT);
        CREATE TABLE visit (id INTEGER PRIMARY KEY, code TEXT UNIQUE, person_id TEXT REFERENCES person (ssn));
        INSERT INTO person VALUES ('SECRET-1', 'Ada'), ('SECRET-2', 'Bo');
    """
    keys: dict[str, NaturalKey | None] = {
        "person": NaturalKey(source="settings", paths=(("name",),)),
        "visit": NaturalKey(source="settings", paths=(("code",),)),
    }
    found = differences(
        tmp_path, schema, "INSERT INTO visit VALUES (1, 'a', 'SECRET-1'), (2, 'b', 'SECRET-2');",
        "INSERT INTO visit VALUES (1, 'a', 'SECRET-2'), (2, 'b', 'SECRET-9');", keys, "person.ssn",
    )  # fmt: skip

    assert found["visit"].columns == {"person_id": 2}
    assert "SECRET" not in str(found)


def test_only_a_search_indexs_own_parts_belong_to_it() -> None:
    assert belongs_to_an_index("documents", None, ["documents"])
    assert belongs_to_an_index("documents_docsize", None, ["documents"])
    assert not belongs_to_an_index("documents_document", None, ["documents"])
    assert not belongs_to_an_index("documents_content", "documents.Content", ["documents"])


def test_a_renamed_model_is_as_sensitive_as_it_was() -> None:
    column = Column(name="ssn", native_type="TEXT", logical_type="text", nullable=True)
    person = Table(id="person", schema_name=None, name="person", model="docs.Person", columns=(column,))
    hides = Redaction(
        ["docs.Individual.ssn"], {"person": person}, {"person": None}, {"person": {"docs.Individual"}}
    ).hides
    assert hides(person, "ssn")
    assert not Redaction(["docs.Individual.ssn"], {"person": person}, {"person": None}).hides(person, "ssn")


def test_a_dangling_reference_is_equal_under_another_content_type_id() -> None:
    """After a re-initialisation content types have other ids, and objects that were deleted before are still deleted."""
    columns = tuple(
        Column(name=name, native_type="integer", logical_type="integer", nullable=True)
        for name in ("kind_id", "object_id")
    )
    generic = GenericReference(name="about", content_type_column="kind_id", object_id_column="object_id")
    kind = ForeignReference(kind="foreign", name="kind_id", columns=("kind_id",), target="kind", target_columns=("id",))
    entry = Table(id="entry", schema_name=None, name="entry", columns=columns, references=(kind, generic))
    (about,) = (field for field in fields_of(entry) if field.name == "about")
    side = Side("any", {}, {}, None, _Held(), 0)  # type: ignore[arg-type]

    with duckdb.connect() as database:
        database.execute(
            """CREATE TABLE rows AS SELECT * FROM (VALUES (7, 99, NULL, '["docs","doc"]'), (8, 99, NULL, '["docs","doc"]'),
            (8, 98, NULL, '["docs","doc"]')) t (kind_id, object_id, "@ref:about", "@ref:kind_id")"""
        )
        said_of = [
            row[0] for row in database.execute(f"SELECT {compared(about, side, side, entry)} FROM rows").fetchall()
        ]

    assert said_of[0] == said_of[1] != said_of[2]


class _Held:
    """How all columns of a side are carried: as numbers."""

    def storage(self, table_id: str, column: str) -> ColumnStorage:
        return ColumnStorage("INTEGER", False, "integer")
