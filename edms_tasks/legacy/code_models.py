"""The models of the EDMS's present code, by the names that fixtures use: which table, column and reference each field is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, LogicalType, Table
from edms_tasks.inventory.probe_report import ProbeField, ProbeModel, ProbeReport

Path = tuple[str, ...]
"""A path of columns: all but the last are foreign keys to follow."""


@dataclass(frozen=True)
class ManyToMany:
    """A many-to-many field, whose rows stand in a list of its owner's row."""

    name: str
    table: Table  # the automatic table between the two
    owner_column: str
    target_column: str
    target: str  # Table.id


@dataclass(frozen=True)
class CodeModel:
    """A model of the code and its table."""

    label: str
    table: Table
    fields: Mapping[str, Column]  # name in a fixture -> column, without a primary key of one column
    key_column: Column | None  # None if the primary key has several: they are fields as well
    key_field: str  # its name in a fixture, where a child's row has its parent's natural key
    absent_values: Mapping[str, str]  # column -> the value as JSON that a migration gives to rows that lack it
    many: Mapping[str, ManyToMany] = field(default_factory=dict)
    natural_key: tuple[Path, ...] | None = None
    parent: str | None = None  # Table.id: its primary key is the one of this table's row
    computed: Mapping[str, Column] = field(
        default_factory=dict
    )  # fields that the database computes; a key may be made of them
    array_depths: Mapping[str, int] = field(default_factory=dict)  # column -> 2 for lists of lists
    columnless: frozenset[str] = frozenset()  # and of those that are made of other fields

    @property
    def key_name(self) -> str:
        """The name of the primary key's column; "" if it has several."""
        return self.key_column.name if self.key_column is not None else ""

    @property
    def key_type(self) -> LogicalType | None:
        """The type of the primary key's column; None if it has several."""
        return self.key_column.logical_type if self.key_column is not None else None

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of a primary key of several; () if it has one."""
        return self.table.primary_key if self.key_column is None else ()

    @property
    def references(self) -> Mapping[str, ForeignReference]:
        """Column -> its reference, for references of one column."""
        return {
            reference.columns[0]: reference
            for reference in self.table.references
            if isinstance(reference, ForeignReference) and len(reference.columns) == 1
        }

    @property
    def generics(self) -> Sequence[GenericReference]:
        """The generic references."""
        return [one for one in self.table.references if isinstance(one, GenericReference)]


def code_models(report: ProbeReport, tables: Sequence[Table]) -> dict[str, CodeModel]:
    """Label in lower case (also of proxies) -> model, for all models with a table and a primary key."""
    by_label = {table.model: table for table in tables if table.model}
    found: dict[str, CodeModel] = {}
    for model in report.models:
        table = by_label.get(model.label)
        if table is None or model.auto_created or not table.primary_key:
            continue
        made = code_model(model, table, _many(model, report, by_label))
        found[model.label.lower()] = made
        for app, name in model.proxies:
            found.setdefault(f"{app}.{name}", made)
    return found


def models_without_place(report: ProbeReport, tables: Sequence[Table]) -> dict[str, tuple[str, str]]:
    """Label in lower case of each model of the code whose rows cannot be placed -> why, for a finding and for a row."""
    by_label = {table.model: table for table in tables if table.model}
    found = {}
    for model in report.models:
        table = by_label.get(model.label)
        if table is None:
            found[model.label.lower()] = (
                "No migration makes the table of this model: its rows are not in the snapshot.",
                "no migration makes its table",
            )
    return found


def code_model(model: ProbeModel, table: Table, many: Mapping[str, ManyToMany] | None = None) -> CodeModel:
    """A model of the code, by what the probe says of it and its table in the catalogue."""
    columns = {column.name: column for column in table.columns}
    single = table.primary_key[0] if len(table.primary_key) == 1 else None
    fields: dict[str, Column] = {}
    defaults: dict[str, str] = {}
    computed: dict[str, Column] = {}
    for one in model.fields:
        column = columns.get(one.column)
        if column is not None and column.generated:
            computed[one.name] = column
        if column is None or column.generated or one.column == single:
            continue
        fields[one.name] = column
        if one.default is not None:
            defaults[one.column] = one.default
    key = model.natural_key
    return CodeModel(
        label=model.label,
        table=table,
        fields=fields,
        key_column=columns[single] if single is not None else None,
        key_field=next((one.name for one in model.fields if one.column == single), ""),
        absent_values=defaults,
        many=many or {},
        natural_key=key.paths if key is not None else None,
        parent=table.parent,
        computed=computed,
        array_depths={one.column: one.array_depth for one in model.fields if one.array_depth > 1},
        columnless=frozenset(model.columnless),
    )


def _many(owner: ProbeModel, report: ProbeReport, tables: Mapping[str, Table]) -> dict[str, ManyToMany]:
    """The many-to-many fields of a model. Django names the table between after the model and the field: `Document_tags`."""
    found = {}
    for model in report.models:
        name = model.label.removeprefix(f"{owner.label}_")
        table = tables.get(model.label)
        if not model.auto_created or name == model.label or table is None:
            continue
        ends = [one for one in model.fields if one.reference_table is not None and not one.primary_key]
        if len(ends) != 2:
            continue
        mine = _own_end(owner, ends)
        other = ends[1] if mine is ends[0] else ends[0]
        target = next(
            (
                one.target
                for one in table.references
                if isinstance(one, ForeignReference) and one.columns == (other.column,)
            ),
            None,
        )
        if target is not None:
            found[name] = ManyToMany(name, table, mine.column, other.column, target)
    return found


def _own_end(owner: ProbeModel, ends: Sequence[ProbeField]) -> ProbeField:
    """The end that refers to the owner; of a field to the model itself, Django names it `from_document`."""
    names = (f"from_{owner.model_name}", owner.model_name)
    for name in names:
        for end in ends:
            if end.name == name and end.reference_table == owner.table:
                return end
    return next((end for end in ends if end.reference_table == owner.table), ends[0])
