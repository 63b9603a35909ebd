"""The models of the EDMS's present code, by the names that fixtures use: which table, column and reference each field is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, Table
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
    fields: Mapping[str, Column]  # name in a fixture -> column, without the primary key
    key_column: Column
    key_field: str  # its name in a fixture, where a child's row has its parent's natural key
    absent_values: Mapping[str, str]  # column -> the value as JSON that a migration gives to rows that lack it
    many: Mapping[str, ManyToMany] = field(default_factory=dict)
    natural_key: tuple[Path, ...] | None = None
    parent: str | None = None  # Table.id: its primary key is the one of this table's row
    computed: frozenset[str] = frozenset()  # names in a fixture of fields that the database computes

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
    """Label in lower case (also of proxies) -> model, for all models with a table and a primary key of one column."""
    by_label = {table.model: table for table in tables if table.model}
    found: dict[str, CodeModel] = {}
    for model in report.models:
        table = by_label.get(model.label)
        if table is None or model.auto_created or len(table.primary_key) != 1:
            continue
        made = _model(model, table, _many(model, report, by_label))
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
        elif len(table.primary_key) > 1:
            found[model.label.lower()] = (
                "Keys of several columns cannot be converted: the rows are not in the snapshot.",
                "its key has several columns",
            )
    return found


def _model(model: ProbeModel, table: Table, many: Mapping[str, ManyToMany]) -> CodeModel:
    columns = {column.name: column for column in table.columns}
    fields: dict[str, Column] = {}
    defaults: dict[str, str] = {}
    computed: set[str] = set()
    for one in model.fields:
        column = columns.get(one.column)
        if column is not None and column.generated:
            computed.add(one.name)
        if column is None or column.generated or one.column in table.primary_key:
            continue
        fields[one.name] = column
        if one.default is not None:
            defaults[one.column] = one.default
    key = model.natural_key
    return CodeModel(
        label=model.label,
        table=table,
        fields=fields,
        key_column=columns[table.primary_key[0]],
        key_field=next((one.name for one in model.fields if one.column == table.primary_key[0]), ""),
        absent_values=defaults,
        many=many,
        natural_key=key.paths if key is not None else None,
        parent=table.parent,
        computed=frozenset(computed),
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
