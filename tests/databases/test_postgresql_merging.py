"""What PostgreSQL does by itself when a merge writes: nothing of it stays unnoticed, and counters go on after the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.merge_transaction import TableChange
from edms_tasks.databases.postgresql import PostgresDatabase
from edms_tasks.errors import MergeRefused, TargetInUse
from edms_tasks.redaction import Redaction

DOCUMENTS = """
    CREATE TABLE doc (id serial PRIMARY KEY, name text UNIQUE);
    CREATE TABLE log (what text);
    INSERT INTO doc VALUES (5, 'there');
"""


def make(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def merge(
    url: str,
    folder: Path,
    table_name: str,
    *,
    inserts: Sequence[dict[str, object]] = (),
    updates: Sequence[dict[str, object]] = (),
    commits: bool = True,
    sensitive: Sequence[str] = (),
) -> None:
    """Write rows as a merge does."""
    address = DatabaseAddress.from_url(url)
    database = PostgresDatabase(address)
    with database.view(folder, 1) as view:
        tables = view.tables()
    (table,) = (one for one in tables if one.name == table_name)
    files: dict[str, list[Path]] = {}
    for action, rows in (("inserts", inserts), ("updates", updates)):
        files[action] = [folder / f"{action}.parquet"] if rows else []
        if rows:
            pq.write_table(pa.Table.from_pylist(list(rows)), folder / f"{action}.parquet")
    encodings = {column.name: "native" for column in table.columns}
    change = TableChange(table, encodings, files["inserts"], files["updates"])  # type: ignore[arg-type]
    redaction = Redaction(sensitive, {one.id: one for one in tables}, {})
    with database.merging(folder, tables, redaction) as transaction:
        transaction.view().measure(table)
        transaction.write([change])
        if commits:
            transaction.commit()


def test_rules_do_not_write_into_other_tables_and_are_rules_again_afterwards(
    postgres_database: str, tmp_path: Path
) -> None:
    make(
        postgres_database,
        DOCUMENTS + "CREATE RULE noted AS ON INSERT TO doc DO ALSO INSERT INTO log VALUES (new.name);"
        "CREATE RULE kept AS ON UPDATE TO doc DO INSTEAD NOTHING; ALTER TABLE doc ENABLE ALWAYS RULE kept",
    )
    rules = "SELECT rulename, ev_enabled FROM pg_rewrite WHERE ev_class = 'doc'::regclass ORDER BY 1"
    before = ask(postgres_database, rules)

    merge(
        postgres_database, tmp_path, "doc", inserts=[{"id": 6, "name": "new"}], updates=[{"id": 5, "name": "changed"}]
    )

    assert ask(postgres_database, "SELECT id, name FROM doc ORDER BY 1") == [(5, "changed"), (6, "new")]
    assert ask(postgres_database, "SELECT * FROM log") == []
    assert ask(postgres_database, rules) == before


def test_a_reader_of_a_table_with_rules_is_not_waited_for_without_end(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(postgres_database, DOCUMENTS + "CREATE RULE noted AS ON INSERT TO doc DO ALSO NOTIFY changed")
    monkeypatch.setattr("edms_tasks.databases.postgresql.merging._PATIENCE", "300ms")

    with psycopg.connect(postgres_database) as reader:
        reader.execute("SELECT * FROM doc")
        with pytest.raises(TargetInUse, match="reading from"):
            merge(postgres_database, tmp_path, "doc", inserts=[{"id": 6, "name": "new"}])

    assert ask(postgres_database, "SELECT name FROM doc") == [("there",)]


def test_an_event_trigger_that_writes_into_another_table_ends_the_merge(postgres_database: str, tmp_path: Path) -> None:
    make(
        postgres_database,
        DOCUMENTS + "CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO public.log VALUES (tg_tag); END';"
        "CREATE RULE also AS ON INSERT TO doc DO ALSO NOTIFY changed;"
        "CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION noted()",
    )

    with pytest.raises(MergeRefused, match=r'"public"\."log"'):
        merge(postgres_database, tmp_path, "doc", inserts=[{"id": 6, "name": "new"}])

    assert ask(postgres_database, "SELECT name FROM doc") == [("there",)]
    assert ask(postgres_database, "SELECT * FROM log") == []


def test_a_foreign_key_that_changes_rows_of_another_table_ends_the_merge(
    postgres_database: str, tmp_path: Path
) -> None:
    make(
        postgres_database,
        DOCUMENTS + "CREATE TABLE page (name text REFERENCES doc (name) ON UPDATE SET NULL);"
        "INSERT INTO page VALUES ('there')",
    )

    with pytest.raises(MergeRefused, match=r'"public"\."page"'):
        merge(postgres_database, tmp_path, "doc", updates=[{"id": 5, "name": "changed"}])

    assert ask(postgres_database, "SELECT name FROM page") == [("there",)]


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("CREATE TABLE doc (id serial PRIMARY KEY, name text)", 1),  # a counter that gave no number yet
        ("CREATE TABLE doc (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)", 7),
        ("CREATE SEQUENCE s; CREATE TABLE doc (id int PRIMARY KEY DEFAULT nextval('s'), name text)", 7),
        (
            "CREATE SCHEMA o; CREATE TABLE o.other (id serial PRIMARY KEY);"
            "CREATE TABLE doc (id int PRIMARY KEY DEFAULT nextval('o.other_id_seq'), name text)",
            7,
        ),
        (
            "CREATE TABLE doc (id int GENERATED ALWAYS AS IDENTITY (INCREMENT BY -1 START WITH -1) PRIMARY KEY, name text)",
            -7,
        ),
    ],
)
def test_the_next_row_of_the_edms_gets_an_id_of_its_own(
    table: str, wanted: int, postgres_database: str, tmp_path: Path
) -> None:
    make(postgres_database, table)

    merge(postgres_database, tmp_path, "doc", inserts=[{"id": wanted, "name": "merged"}])

    make(postgres_database, "INSERT INTO doc (name) VALUES ('next')")
    step = 1 if wanted > 0 else -1
    assert ask(postgres_database, "SELECT id FROM doc WHERE name = 'next'") == [(wanted + step,)]


def test_counters_stay_where_they_are_if_the_merge_is_rolled_back(postgres_database: str, tmp_path: Path) -> None:
    make(postgres_database, DOCUMENTS)

    merge(postgres_database, tmp_path, "doc", inserts=[{"id": 70, "name": "new"}], commits=False)

    assert ask(postgres_database, "SELECT last_value, is_called FROM doc_id_seq") == [(1, False)]


def test_numbers_that_the_server_always_makes_are_updated(postgres_database: str, tmp_path: Path) -> None:
    make(
        postgres_database,
        "CREATE TABLE doc (id int PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY); INSERT INTO doc (id) VALUES (5)",
    )

    merge(postgres_database, tmp_path, "doc", updates=[{"id": 5, "number": 40}])

    assert ask(postgres_database, "SELECT id, number FROM doc") == [(5, 40)]
    with pytest.raises(psycopg.errors.GeneratedAlways):
        make(postgres_database, "INSERT INTO doc VALUES (6, 1)")
    make(postgres_database, "INSERT INTO doc VALUES (6)")
    assert ask(postgres_database, "SELECT number FROM doc WHERE id = 6") == [(41,)]


@pytest.mark.parametrize(
    ("table", "row", "constraint", "theirs"),
    [
        (
            "CREATE TABLE doc (id int PRIMARY KEY, name text UNIQUE, span int4range, EXCLUDE USING gist (span WITH &&));"
            "INSERT INTO doc VALUES (1, 'there', '[1,5)'), (2, 'apart', '[20,30)')",
            {"id": 7, "name": "mine", "span": "[4,9)"},
            "doc_span_excl",
            "id 1, name there",
        ),
        (
            "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
            "CREATE TABLE doc (id int PRIMARY KEY, name text COLLATE caseless UNIQUE);"
            "INSERT INTO doc VALUES (1, 'Bob'), (2, 'Ann')",
            {"id": 7, "name": "bob"},
            "doc_name_key",
            "id 1, name Bob",
        ),
        (
            "CREATE TABLE doc (id int PRIMARY KEY, name text, live bool, a_long_name_of_a_column text);"
            "CREATE UNIQUE INDEX one_live ON doc (reverse(name)) WHERE live;"
            "INSERT INTO doc VALUES (1, 'bob', false), (3, 'bob', true)",
            {"id": 7, "name": "bob", "live": True, "a_long_name_of_a_column": None},
            "one_live",
            "id 3",
        ),
    ],
    ids=["exclusion", "collation", "partial expression"],
)
def test_a_refusal_names_the_constraint_and_both_rows(
    table: str, row: dict[str, object], constraint: str, theirs: str, postgres_database: str, tmp_path: Path
) -> None:
    make(postgres_database, table)
    before = ask(postgres_database, "SELECT * FROM doc ORDER BY 1")

    with pytest.raises(MergeRefused) as refused:
        merge(postgres_database, tmp_path, "doc", inserts=[row])

    assert constraint in str(refused.value)
    assert "the snapshot's row id 7" in str(refused.value)
    assert f"the target's row {theirs}." in str(refused.value)
    assert "INSERT INTO" not in str(refused.value)
    assert ask(postgres_database, "SELECT * FROM doc ORDER BY 1") == before


def test_a_refusal_names_the_constraint_of_a_table_with_many_columns(postgres_database: str, tmp_path: Path) -> None:
    columns = ", ".join(f"a_rather_long_name_of_a_column_{number} int" for number in range(60))
    make(postgres_database, f"CREATE TABLE doc (id int PRIMARY KEY CONSTRAINT small_ids CHECK (id < 5), {columns})")
    row = {"id": 7} | {f"a_rather_long_name_of_a_column_{number}": number for number in range(60)}

    with pytest.raises(MergeRefused, match="small_ids"):
        merge(postgres_database, tmp_path, "doc", inserts=[row])


def test_an_index_over_a_generated_column_is_left_to_the_server(postgres_database: str, tmp_path: Path) -> None:
    """Its values are not known before the rows are written; such a merge was refused for a column that does not exist."""
    make(
        postgres_database,
        "CREATE TABLE doc (id int PRIMARY KEY, first int, last int, during int4range GENERATED ALWAYS AS (int4range(first, last)) STORED,"
        " EXCLUDE USING gist (during WITH &&)); INSERT INTO doc VALUES (1, 1, 5)",
    )
    merge(
        postgres_database,
        tmp_path,
        "doc",
        inserts=[{"id": 2, "first": 7, "last": 9}],
        updates=[{"id": 1, "first": 2, "last": 6}],
    )
    assert ask(postgres_database, "SELECT id, during::text FROM doc ORDER BY 1") == [(1, "[2,6)"), (2, "[7,9)")]

    with pytest.raises(MergeRefused, match="refused the merge"):
        merge(postgres_database, tmp_path, "doc", inserts=[{"id": 3, "first": 8, "last": 9}])
    assert ask(postgres_database, "SELECT count(*) FROM doc") == [(2,)]


def test_rows_that_are_overwritten_give_up_what_an_index_compares(postgres_database: str, tmp_path: Path) -> None:
    make(
        postgres_database,
        "CREATE TABLE doc (id int PRIMARY KEY, name text); CREATE UNIQUE INDEX one ON doc (lower(name));"
        "INSERT INTO doc VALUES (1, 'A'), (2, 'B'), (3, 'C')",
    )
    merge(postgres_database, tmp_path, "doc", updates=[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    assert ask(postgres_database, "SELECT id, name FROM doc ORDER BY 1") == [(1, "a"), (2, "b"), (3, "C")]
    with pytest.raises(MergeRefused, match="id 3"):
        merge(postgres_database, tmp_path, "doc", updates=[{"id": 1, "name": "c"}])


def test_a_refusal_names_rows_without_values_that_are_hidden(postgres_database: str, tmp_path: Path) -> None:
    make(
        postgres_database,
        "CREATE TABLE doc (id int PRIMARY KEY, name text, EXCLUDE (lower(name) WITH =), UNIQUE (name));"
        "INSERT INTO doc VALUES (1, 'Secret')",
    )

    with pytest.raises(MergeRefused, match="the snapshot's row id 7 and the target's row id 1") as refused:
        merge(postgres_database, tmp_path, "doc", inserts=[{"id": 7, "name": "SECRET"}], sensitive=["doc.NAME"])

    assert "secret" not in str(refused.value).lower()
