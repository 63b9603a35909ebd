"""What the database counts, on the real engines, where names and types are awkward."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from edms_tasks.databases import DatabaseAddress
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, LogicalType, NaturalKey, Table
from edms_tasks.manifest import TableEntry, TableState
from expectations.count_queries import count_dangling, count_dangling_generic, count_key_health, count_nulls, count_rows

UUID = "0a1b2c3d-0000-4000-8000-00000000000f"
KINDS = "CREATE TABLE django_content_type (id integer PRIMARY KEY, app_label text, model text)"


def counts(url: str, statements: list[str], query: str) -> list[int]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
            return [int(count) for count in connection.execute(sa.text(query.replace(":", "\\:"))).one()]
    finally:
        engine.dispose()


def column(name: str, logical_type: LogicalType = "integer", native_type: str = "integer") -> Column:
    return Column(name=name, native_type=native_type, logical_type=logical_type, nullable=True)


def table(name: str, *columns: Column, schema: str | None = None, content_type: tuple[str, str] | None = None) -> Table:
    return Table(
        id=name, schema_name=schema, name=name, columns=columns, primary_key=("id",), content_type=content_type
    )


CONTENT_TYPES = table("django_content_type", column("id"), column("app_label", "text"), column("model", "text"))
GENERIC = GenericReference(name="object", content_type_column="kind_id", object_id_column="object_id")


def test_schemas_and_columns_keep_their_capitals_and_signs(postgres_database: str) -> None:
    odd = table('Ta"ble :x', column("id"), column("50% {batch} :y"), schema="Old Schema")
    create = [
        'CREATE SCHEMA "Old Schema"',
        'CREATE TABLE "Old Schema"."Ta""ble :x" (id integer, "50%% {batch} :y" integer)',
        'INSERT INTO "Old Schema"."Ta""ble :x" VALUES (1, 1), (2, NULL), (3, NULL)',
    ]
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    assert counts(url, create, count_rows(odd)) == [3]
    assert counts(url, [], count_nulls(odd, odd.columns)) == [0, 2]


def test_a_reference_between_two_types_is_compared_as_text(postgres_database: str) -> None:
    source = table("note", column("id"), column("doc_id", "text", "text"))
    target = table("doc", column("id"))
    reference = ForeignReference(
        kind="foreign", name="doc_id", columns=("doc_id",), target="doc", target_columns=("id",), enforced=False
    )
    create = [
        "CREATE TABLE doc (id integer)",
        "CREATE TABLE note (id integer, doc_id text)",
        "INSERT INTO doc VALUES (1)",
        "INSERT INTO note VALUES (1, '1'), (2, '7'), (3, 'none'), (4, NULL)",
    ]
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    assert counts(url, create, count_dangling("postgresql", source, reference, target)) == [2]


def test_a_composite_reference_is_filled_only_when_all_its_columns_are() -> None:
    source = table("line", column("id"), column("a"), column("b"))
    target = table("head", column("id"), column("a"), column("b"))
    reference = ForeignReference(
        kind="foreign", name="head", columns=("a", "b"), target="head", target_columns=("a", "b")
    )
    create = [
        "CREATE TABLE head (id integer, a integer, b integer)",
        "CREATE TABLE line (id integer, a integer, b integer)",
        "INSERT INTO head VALUES (1, 1, 1)",
        "INSERT INTO line VALUES (1, 1, 1), (2, 1, 2), (3, 2, NULL)",
    ]

    assert counts("sqlite://", create, count_dangling("sqlite", source, reference, target)) == [1]


def test_a_reference_to_a_table_that_was_left_out_dangles_wherever_it_is_filled() -> None:
    source = table("note", column("id"), column("doc_id"))
    reference = ForeignReference(
        kind="foreign", name="doc_id", columns=("doc_id",), target="gone", target_columns=("id",)
    )
    create = ["CREATE TABLE note (id integer, doc_id integer)", "INSERT INTO note VALUES (1, 1), (2, NULL), (3, 3)"]

    assert counts("sqlite://", create, count_dangling("sqlite", source, reference, None)) == [2]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_generic_references_find_uuids_with_and_without_dashes(request: pytest.FixtureRequest, engine: str) -> None:
    stored, native = (f"'{UUID.replace('-', '')}'", "char(32)") if engine == "sqlite" else (f"'{UUID}'", "uuid")
    source = table("audit", column("id"), column("kind_id"), column("object_id", "text", "text"))
    target = table("signature", column("id", "uuid", native), content_type=("security", "signature"))
    create = [
        KINDS,
        f"CREATE TABLE signature (id {native})",
        "CREATE TABLE audit (id integer, kind_id integer, object_id text)",
        "INSERT INTO django_content_type VALUES (1, 'security', 'signature'), (2, 'other', 'model')",
        f"INSERT INTO signature VALUES ({stored})",
        f"INSERT INTO audit VALUES (1, 1, '{UUID}'), (2, 1, '{UUID.replace('-', '')}'), (3, 1, 'x'), (4, 2, '{UUID}')",
    ]
    url = "sqlite://"
    if engine == "postgresql":
        url = DatabaseAddress.from_url(request.getfixturevalue("postgres_database")).sqlalchemy_url()

    query = count_dangling_generic(engine, source, GENERIC, CONTENT_TYPES, [target])

    assert counts(url, create, query) == [2]


def test_an_object_id_that_is_no_number_dangles_without_an_error(postgres_database: str) -> None:
    source = table("audit", column("id"), column("kind_id"), column("object_id", "text", "text"))
    target = table("doc", column("id"), content_type=("documents", "document"))
    create = [
        KINDS,
        "CREATE TABLE doc (id integer)",
        "CREATE TABLE audit (id integer, kind_id integer, object_id text)",
        "INSERT INTO django_content_type VALUES (1, 'documents', 'document')",
        "INSERT INTO doc VALUES (1)",
        "INSERT INTO audit VALUES (1, 1, '1'), (2, 1, 'SOP-1'), (3, 1, '')",
    ]
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    query = count_dangling_generic("postgresql", source, GENERIC, CONTENT_TYPES, [target])

    assert counts(url, create, query) == [2]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_integer_ids_are_found_by_index_like_by_their_texts(request: pytest.FixtureRequest, engine: str) -> None:
    source = table("audit", column("id"), column("kind_id"), column("object_id", "text", "text"))
    target = table("doc", column("id", "integer", "bigint"), content_type=("documents", "document"))
    there = ["1", "-5", "9223372036854775807", "-9223372036854775808"]
    nowhere = ["2", "007", " 1", "1 ", "+1", "1.0", "1x", "x", "", "-", "9223372036854775808", "-0", "9" * 40]
    pointing = ", ".join(f"({number}, 1, '{text}')" for number, text in enumerate(there + nowhere))
    create = [
        KINDS,
        "CREATE TABLE doc (id bigint primary key)",
        "CREATE TABLE audit (id integer, kind_id integer, object_id text)",
        "INSERT INTO django_content_type VALUES (1, 'documents', 'document')",
        f"INSERT INTO doc VALUES {', '.join(f'({number})' for number in [*there, '0'])}",
        f"INSERT INTO audit VALUES {pointing}, (90, 1, NULL), (91, NULL, '1'), (92, 7, '1')",
    ]
    url = "sqlite://"
    if engine == "postgresql":
        url = DatabaseAddress.from_url(request.getfixturevalue("postgres_database")).sqlalchemy_url()
    content_type_that_is_missing = 1

    by_text = count_dangling_generic(engine, source, GENERIC, CONTENT_TYPES, [target])
    by_index = count_dangling_generic(engine, source, GENERIC, CONTENT_TYPES, [target], with_integers=[target.id])

    expected = [len(nowhere) + content_type_that_is_missing]
    assert counts(url, create, by_text) == expected
    assert counts(url, create if engine == "sqlite" else [], by_index) == expected  # SQLite's was in memory


def test_rows_of_tables_that_inherit_are_not_counted(postgres_database: str) -> None:
    parent = table("parent", column("id"), column("up"), schema="public")
    reference = ForeignReference(kind="foreign", name="up", columns=("up",), target="parent", target_columns=("id",))
    create = [
        "CREATE TABLE parent (id integer, up integer)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent VALUES (1, NULL), (2, 3)",
        "INSERT INTO child VALUES (3, 9)",
    ]
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    assert counts(url, create, count_rows(parent)) == [2]
    assert counts(url, [], count_nulls(parent, parent.columns)) == [0, 1]
    assert counts(url, [], count_dangling("postgresql", parent, reference, parent)) == [1]


def test_keys_that_only_a_cast_to_text_makes_the_same_are_not_repeated(postgres_database: str) -> None:
    moods = table("moods", column("id"), column("mood", "other", "public.mood"), schema="public")
    key = NaturalKey(source="settings", paths=(("mood",),))
    state = TableState(rows=2)
    entry = TableEntry(table=moods, natural_key=key, encodings={}, state=state, chunks=())
    create = [
        "CREATE TYPE mood AS ENUM ('Sad', 'SAD')",
        "CREATE FUNCTION said(mood) RETURNS text LANGUAGE sql AS 'SELECT lower(textin(enum_out($1)))'",
        "CREATE CAST (mood AS text) WITH FUNCTION said(mood)",
        "CREATE TABLE moods (id integer, mood mood)",
        "INSERT INTO moods VALUES (1, 'Sad'), (2, 'SAD')",
    ]
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    assert counts(url, create, count_key_health("postgresql", entry, key, {"moods": entry})) == [0, 0]


def test_texts_that_a_collation_takes_for_the_same_are_different(postgres_database: str) -> None:
    source = table("audit", column("id"), column("kind_id"), column("object_id", "text", "character varying(9)"))
    target = table("code", column("id", "text", "text"), content_type=("documents", "code"))
    key = NaturalKey(source="settings", paths=(("object_id",),))
    entry = TableEntry(table=source, natural_key=key, encodings={}, state=TableState(rows=3), chunks=())
    create = [
        KINDS,
        "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE code (id text COLLATE caseless)",
        "CREATE TABLE audit (id integer, kind_id integer, object_id varchar(9) COLLATE caseless)",
        "INSERT INTO django_content_type VALUES (1, 'documents', 'code')",
        "INSERT INTO code VALUES ('Sop')",
        "INSERT INTO audit VALUES (1, 1, 'Sop'), (2, 1, 'SOP'), (3, 1, 'sop')",
    ]
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    assert counts(url, create, count_dangling_generic("postgresql", source, GENERIC, CONTENT_TYPES, [target])) == [2]
    assert counts(url, [], count_key_health("postgresql", entry, key, {"audit": entry})) == [0, 0]
