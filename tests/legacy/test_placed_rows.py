"""Rows of fixtures find their tables: keys of several columns, and references to what the database computes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from edms_tasks.conversion.serialized_values import serialized_functions
from edms_tasks.databases.refused_together import RefusedRow
from edms_tasks.inventory.model import Column, ForeignReference, Table
from edms_tasks.inventory.probe_report import ProbeField, ProbeModel
from edms_tasks.legacy.code_models import code_model
from edms_tasks.legacy.not_accepted import RefusedRows
from edms_tasks.legacy.old_backup import ModelRows
from edms_tasks.legacy.placed_rows import place_rows
from edms_tasks.legacy.placed_tables import PlacedRows


def _reference(column: str, target: str, target_column: str = "id") -> ForeignReference:
    return ForeignReference(
        kind="foreign", name=column, columns=(column,), target=target, target_columns=(target_column,)
    )


def _table(name: str, *columns: Column, key: Sequence[str] = ("id",), references: Sequence[Any] = ()) -> Table:
    return Table(
        id=name, schema_name=None, name=name, columns=columns, primary_key=tuple(key), references=tuple(references)
    )


def _integer(name: str) -> Column:
    return Column(name=name, native_type="integer", logical_type="integer", nullable=False)


def _text(name: str, *, generated: bool = False) -> Column:
    return Column(name=name, native_type="text", logical_type="text", nullable=False, generated=generated)


TABLES = {
    "zoo.Dossier": _table("dossier", _integer("id"), _text("number")),
    "zoo.Sheet": _table(
        "sheet",
        _integer("dossier_id"),
        _integer("page"),
        _text("text"),
        key=("dossier_id", "page"),
        references=[_reference("dossier_id", "dossier")],
    ),
    "zoo.Keyword": _table("keyword", _integer("id"), _text("word"), _text("key", generated=True)),
    "zoo.Tagging": _table(
        "tagging", _integer("id"), _text("keyword_id"), references=[_reference("keyword_id", "keyword", "key")]
    ),
}


def _model(label: str) -> ProbeModel:
    table = TABLES[label]
    return ProbeModel(
        label=label,
        table=table.name,
        app_label="zoo",
        model_name=label.removeprefix("zoo.").lower(),
        columnless=("sheet",) if label == "zoo.Dossier" else (),
        fields=tuple(
            ProbeField(
                name=column.name.removesuffix("_id"),
                attname=column.name,
                column=column.name,
                internal_type="",
                null=False,
                primary_key=column.name in table.primary_key,
                unique=False,
            )
            for column in table.columns
        ),
    )


def place(folder: Path, rows: Sequence[dict[str, Any]], refused: RefusedRows | None = None) -> PlacedRows:
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    files = []
    for model, its in by_model.items():
        path = folder / f"{model}.jsonl"
        lines = [
            json.dumps({"n": n, "pk": row.get("pk"), "fields": row["fields"]}) + "\n" for n, row in enumerate(its, 1)
        ]
        path.write_text("".join(lines), encoding="utf-8")
        files.append(ModelRows(model, len(its), path))
    models = {label.lower(): code_model(_model(label), table) for label, table in TABLES.items()}
    with duckdb.connect() as engine, serialized_functions(engine), engine.cursor() as cursor:
        return place_rows(cursor, "sqlite", models, files, {}, folder, refused=refused)


def rows_of(placed: PlacedRows, table: str) -> list[dict[str, Any]]:
    files = [path for one in placed.tables if one.table.id == table for path in one.files]
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def losses(placed: PlacedRows) -> dict[str, int]:
    return {one.code: one.count for one in placed.findings if one.severity == "error"}


def dossier(pk: int | None, number: str) -> dict[str, Any]:
    return {"model": "zoo.dossier", "pk": pk, "fields": {"number": number}}


def sheet(pk: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "zoo.sheet", "pk": pk, "fields": fields}


@pytest.mark.parametrize("as_in", ["JSON and YAML", "XML", "a fixture without keys"])
def test_rows_with_a_key_of_several_columns_come_back(as_in: str, tmp_path: Path) -> None:
    def key(*parts: int) -> Any:
        return {"JSON and YAML": [*parts], "XML": json.dumps([*map(str, parts)])}.get(as_in)

    placed = place(
        tmp_path,
        [
            dossier(7, "D1"),
            sheet(key(7, 2), dossier=7, page=2, text="two"),
            sheet(key(7, 1), dossier=7, page="1", text="one"),
        ],
    )

    assert rows_of(placed, "sheet") == [
        {"dossier_id": 7, "page": 2, "text": "two"},
        {"dossier_id": 7, "page": 1, "text": "one"},
    ]
    assert not losses(placed)


def test_parts_of_a_key_that_are_in_it_alone_are_read_from_it(tmp_path: Path) -> None:
    placed = place(tmp_path, [dossier(7, "D1"), sheet([7, 2], text="two"), sheet([7, 3], page=3, text="three")])

    assert [(row["dossier_id"], row["page"]) for row in rows_of(placed, "sheet")] == [(7, 2), (7, 3)]
    assert not losses(placed)


def test_of_rows_with_the_same_key_of_several_columns_the_last_one_counts(tmp_path: Path) -> None:
    rows = [
        dossier(7, "D1"),
        sheet([7, 1], dossier=7, page=1, text="old"),
        sheet(None, dossier=7, page=1, text="new"),
    ]

    placed = place(tmp_path, rows)

    assert rows_of(placed, "sheet") == [{"dossier_id": 7, "page": 1, "text": "new"}]
    assert losses(placed) == {"old-duplicate-row": 1}


def test_a_key_of_several_columns_that_is_broken_or_says_something_else_is_named(tmp_path: Path) -> None:
    rows = [
        dossier(7, "D1"),
        sheet([7, 9], dossier=7, page=1, text="another page"),
        sheet([8, 1], dossier=8, page=1, text="of no dossier"),
        sheet([7, None], dossier=7, page=None, text="no page"),
    ]

    placed = place(tmp_path, rows)

    assert rows_of(placed, "sheet") == [{"dossier_id": 7, "page": 1, "text": "another page"}]
    assert losses(placed) == {"old-value-invalid": 1, "old-reference-unresolved": 1, "old-row-left-out": 1}
    listed = [json.loads(line)["pk"] for path in placed.left_out for line in path.read_text().splitlines()]
    assert sorted(listed, key=str) == [[7, None], [8, 1]]


def test_a_reference_to_a_column_that_the_database_computes_leads_to_its_row(tmp_path: Path) -> None:
    rows = [
        {"model": "zoo.keyword", "pk": 4, "fields": {"word": "alpha", "key": "ALPHA"}},
        {"model": "zoo.tagging", "pk": 1, "fields": {"keyword": "ALPHA"}},
        {"model": "zoo.tagging", "pk": 2, "fields": {"keyword": "BETA"}},
    ]

    placed = place(tmp_path, rows)

    assert rows_of(placed, "keyword") == [{"id": 4, "word": "alpha"}]
    assert rows_of(placed, "tagging") == [{"id": 1, "keyword_id": "ALPHA"}]
    assert losses(placed) == {"old-reference-unresolved": 1}


def test_a_field_that_is_made_of_others_is_no_loss(tmp_path: Path) -> None:
    row = dossier(7, "D1")
    row["fields"]["sheet"] = "Sheet object ((7, 1))"

    placed = place(tmp_path, [row])

    assert [one.code for one in placed.findings if one.subject == "zoo.Dossier.sheet"] == ["old-field-computed"]
    assert not losses(placed)


def test_of_rows_that_the_database_does_not_allow_together_the_last_one_counts(tmp_path: Path) -> None:
    refused = RefusedRows(tmp_path / "refused.jsonl")
    refused.add("dossier", [RefusedRow("one_open", "1", ("7",)), RefusedRow("one_open", "1", ("5",))], 1)
    refused.add("sheet", [RefusedRow("it's small", "", ("5", "1"))], 1)
    rows = [
        dossier(7, "D1"),
        dossier(5, "D1"),
        sheet([7, 1], dossier=7, page=1, text="of the first"),
        sheet([5, 1], dossier=5, page=1, text="too large"),
        sheet([5, 2], dossier=5, page=2, text="right"),
    ]

    placed = place(tmp_path, rows, refused)

    assert [row["id"] for row in rows_of(placed, "dossier")] == [5]
    assert [row["text"] for row in rows_of(placed, "sheet")] == ["right"]
    listed = [json.loads(line) for path in placed.left_out for line in path.read_text().splitlines()]
    assert {(row["pk"] if row["model"] == "zoo.Dossier" else row["fields"]["text"]): row["why"] for row in listed} == {
        7: "one_open forbids it beside a later row",
        "of the first": "dossier_id refers to a row that is not there",
        "too large": "it's small forbids it",
    }


def test_a_row_that_is_refused_alone_does_not_cost_those_that_it_cannot_be_beside(tmp_path: Path) -> None:
    refused = RefusedRows(tmp_path / "refused.jsonl")
    refused.add("dossier", [RefusedRow("a_open", "1", ("7",)), RefusedRow("a_open", "1", ("5",))], 1)
    refused.add("dossier", [RefusedRow("z_right", "", ("5",))], 1)

    placed = place(tmp_path, [dossier(7, "D1"), dossier(5, "D1")], refused)

    assert [row["id"] for row in rows_of(placed, "dossier")] == [7]
