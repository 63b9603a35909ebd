"""What counts as unknown to the code's models, and as lacking."""

from __future__ import annotations

from edms_tasks.inventory.model import Column, Table, UniqueKey
from edms_tasks.inventory.probe_report import ProbeField, ProbeModel, ProbeUnique
from edms_tasks.manifest import TableEntry, TableState
from edms_tasks.migrating.code_compatibility import missing_in, unenforced, unknown_to


def _table(name: str, *columns: str, model: str | None = None, drifted: str = "", **more: object) -> Table:
    found = [
        Column(
            name=column,
            native_type="integer",
            logical_type="integer",
            nullable=True,
            field=None if model is None or column == drifted else column,
        )
        for column in columns
    ]
    return Table(id=name, schema_name=None, name=name, model=model, columns=tuple(found), primary_key=("id",), **more)  # type: ignore[arg-type]


def _entry(table: Table, rows: int = 3) -> TableEntry:
    state = TableState(rows=rows)
    return TableEntry(table=table, natural_key=None, encodings={}, state=state, chunks=())


def _model(table: str, *columns: str, managed: bool = True, uniques: tuple[tuple[str, ...], ...] = ()) -> ProbeModel:
    fields = [
        ProbeField(
            name=c,
            attname=c,
            column=c,
            internal_type="IntegerField",
            null=True,
            primary_key=c == "id",
            unique=c == "id",
        )
        for c in columns
    ]
    return ProbeModel(
        label=f"app.{table.title()}",
        table=table,
        app_label="app",
        model_name=table,
        managed=managed,
        fields=tuple(fields),
        uniques=tuple(ProbeUnique(name="u", columns=columns) for columns in uniques),
    )


def test_only_what_a_model_owned_at_the_backup_is_unknown() -> None:
    entries = [
        _entry(_table("document", "id", "title", "barcode", "by_hand", model="app.Document", drifted="by_hand")),
        _entry(_table("shelf", "id", model="app.Shelf")),
        _entry(_table("of_another_program", "id")),
    ]

    unknown = unknown_to([_model("document", "id", "title")], entries)

    assert unknown.names() == ("table shelf (3 rows)", "column document.barcode")
    left = {table.id: [column.name for column in table.columns] for table in unknown.remaining(entries)}
    assert left == {"document": ["id", "title", "by_hand"], "of_another_program": ["id"]}
    assert unknown.in_keys() == ()
    assert not unknown_to([_model("document", "id", "title", "barcode"), _model("shelf", "id")], entries)


def test_a_column_of_the_primary_key_is_recognised() -> None:
    entry = _entry(_table("document", "id", "tenant", model="app.Document"))

    assert unknown_to([_model("document", "tenant")], [entry]).in_keys() == ("document.id",)


def test_missing_tables_and_columns_of_managed_models_are_named() -> None:
    tables = [_table("document", "id")]
    models = [_model("document", "id", "title"), _model("shelf", "id"), _model("a_view", "id", managed=False)]

    assert missing_in(models, tables) == ("column document.title of app.Document", "table shelf of app.Shelf")
    assert missing_in([_model("document", "id")], tables) == ()


def test_a_key_that_only_the_model_has_is_named() -> None:
    key = UniqueKey(name="k", columns=("number", "tenant"))
    table = _table("document", "id", "number", "tenant", unique_keys=(key,))
    models = [_model("document", "id", "number", "tenant", uniques=(("number",), ("tenant", "number")))]

    assert unenforced(models, [table]) == ("document (number)",)
