"""From what an administrator names to an entry of the ledger: the row, and what becomes of rows that refer to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from edms_tasks.erasure.ledger import Action, Erased
from edms_tasks.erasure.parent_links import parent_links
from edms_tasks.errors import CommandError
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.masking.mask_plan import table_mask
from edms_tasks.masking.rules import ColumnRule, Kind
from edms_tasks.unknown_names import closest_name

_ACTIONS: Mapping[str, Action] = {"CASCADE": "delete", "SET_NULL": "null"}
_KINDS = tuple(kind for kind in get_args(Kind) if kind not in ("keep", "constant", "shift", "number"))


def plan_erasure(manifest: Manifest, report: ProbeReport, edms: str, named: str, columns: Sequence[str]) -> Erased:
    """The entry for a row.

    Args:
        manifest: the newest snapshot, for the tables and natural keys.
        report: what the EDMS says of itself, for what becomes of rows that refer to others.
        edms: the EDMS's id.
        named: MODEL:KEY, the parts of a natural key separated by commas, or MODEL:COLUMN=VALUE.
        columns: FIELD=KIND for each column that is erased; none to delete the row.

    Raises:
        CommandError: a name does not exist, or a row that is to be deleted may be protected by others.
        SettingsError: a kind does not suit its column.
    """
    model, colon, key = named.partition(":")
    if not (model and colon and key):
        raise CommandError(
            f"{named!r} does not name a row.", fix="Write MODEL:KEY, e.g. users.User:ann, or MODEL:COLUMN=VALUE."
        )
    known = {name: entry for entry in manifest.tables for name in (entry.table.id, entry.table.label)}
    if model not in known:
        raise CommandError(f"There is no model or table {model!r}.", where=named, fix=closest_name(model, known))
    entry = known[model]
    row = dict(_row(entry, key, named))
    kinds = dict(_kinds(manifest, entry, columns))
    references = {} if kinds else dict(_references(manifest, report, entry.table))
    return Erased(
        edms=edms, table=entry.table.id, label=entry.table.label, row=row, columns=kinds, references=references
    )


def _row(entry: TableEntry, key: str, named: str) -> Iterator[tuple[str, str]]:
    column, equals, value = key.partition("=")
    if equals and not value:
        raise CommandError(
            "The value is empty.",
            where=named,
            why="All rows without a value in this column would be erased. In a script, perhaps a variable is not set.",
            fix="Name the row by another column.",
        )
    if equals:
        yield _column(entry.table, column, named), value
        return
    paths = entry.natural_key.paths if entry.natural_key is not None else ()
    references = {name for one in entry.table.references for name in getattr(one, "columns", ())}
    parts = key.split(",")
    if any(len(path) > 1 or path[0] in references for path in paths) or len(parts) != len(paths):
        shown = entry.natural_key.readable if entry.natural_key else ""
        raise CommandError(
            f"{key!r} does not name one row of {entry.table.label}.",
            where=named,
            why=f"Its natural key is {shown or ', '.join('.'.join(path) for path in paths) or 'unknown'}.",
            fix=f"Name it by a column: {entry.table.label}:COLUMN=VALUE.",
        )
    yield from ((path[0], part) for path, part in zip(paths, parts, strict=True))


def _column(table: Table, name: str, where: str) -> str:
    for column in table.columns:
        if name in (column.name, column.field):
            return column.name
    raise CommandError(
        f"{table.label} has no column {name!r}.",
        where=where,
        fix=closest_name(name, [one.name for one in table.columns]),
    )


def _kinds(manifest: Manifest, entry: TableEntry, columns: Sequence[str]) -> Iterator[tuple[str, Kind]]:
    rules: dict[str, ColumnRule] = {}
    for one in columns:
        name, _, kind = one.partition("=")
        if kind not in _KINDS:
            raise CommandError(
                f"{one!r} does not say what becomes of a column.",
                where="--column",
                fix=f"Write FIELD=KIND; the kinds are {', '.join(_KINDS)}.",
            )
        rules[_column(entry.table, name, "--column")] = ColumnRule.model_validate({"kind": kind})
    for column in table_mask(entry, rules, "--column").columns:
        assert column.rule.kind is not None
        for other in entry.table.references:
            if isinstance(other, ForeignReference) and column.name in other.columns:
                raise CommandError(
                    f"{entry.table.label}.{column.name} refers to another row.", where="--column", fix="Leave it out."
                )
        for other_table in manifest.tables:
            for other in other_table.table.references:
                if (
                    isinstance(other, ForeignReference)
                    and other.target == entry.table.id
                    and column.name in other.target_columns
                ):
                    raise CommandError(
                        f"{other_table.table.label}.{other.name} refers to rows by {column.name}.",
                        where="--column",
                        fix="Leave it out, or erase the whole row.",
                    )
        yield column.name, column.rule.kind


def _references(manifest: Manifest, report: ProbeReport, table: Table) -> Iterator[tuple[str, Action]]:
    """What becomes of rows that refer to the row, and to those that are deleted with it: as the EDMS's models say."""
    said = {
        (model.table, field.column): field.on_delete
        for model in report.models
        for field in model.fields
        if field.on_delete
    }
    tables = {entry.table.id: entry.table for entry in manifest.tables}
    seen, queue = {table.id}, [table.id]
    while queue:
        target = queue.pop()
        parents = {parent for link in parent_links(tables[target]) for parent in link.targets} & tables.keys() - seen
        seen |= parents
        queue += sorted(parents)
        for entry in manifest.tables:
            for reference in entry.table.references:
                if not isinstance(reference, ForeignReference) or target not in (reference.target, *reference.targets):
                    continue
                on_delete = said.get((entry.table.name, reference.columns[0]))
                if on_delete is None:
                    continue  # no model says it: see `_default` in erased_rows.py
                action = _ACTIONS.get(on_delete, "protect")
                yield f"{entry.table.id}.{reference.name}", action
                if action == "delete" and entry.table.id not in seen:
                    seen.add(entry.table.id)
                    queue.append(entry.table.id)
