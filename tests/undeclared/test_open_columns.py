"""Which columns are looked through for ids that nobody declared: not those that a declaration speaks of."""

from __future__ import annotations

from edms_tasks.inventory.model import Column, Condition, LogicalType, SoftReference, Table
from edms_tasks.undeclared.open_columns import open_columns


def _column(name: str, kind: LogicalType = "integer") -> Column:
    return Column(name=name, native_type="", logical_type=kind, nullable=True)


def _value_where(column: str, value: str) -> SoftReference:
    return SoftReference(
        name=f"value:{value}",
        column="value",
        target="document",
        target_column="id",
        id_kind="number",
        form="value",
        where=(Condition(column=column, values=(value,)),),
    )


def test_what_says_whether_a_value_is_an_id_is_none_itself_and_the_value_is_looked_at_where_it_is_none() -> None:
    columns = [_column("id"), _column("rule_type"), _column("value", "text"), _column("position")]
    table = Table(
        id="rule",
        schema_name=None,
        name="rule",
        columns=tuple(columns),
        primary_key=("id",),
        references=(_value_where("rule_type", "3"), _value_where("rule_type", "26")),
    )

    assert [one.name for one in open_columns(table, covered=())] == ["value", "position"]
    assert [one.name for one in open_columns(table, covered={"position"})] == ["value"]
