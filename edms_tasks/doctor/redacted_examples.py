"""Remove values that must not be shown from examples: those of sensitive columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from edms_tasks.doctor.assessment import Assessment, assessed
from edms_tasks.inventory.model import NaturalKey, Table
from edms_tasks.inventory.natural_keys import reference_of
from edms_tasks.keys.checked_keys import CheckedKeys


def redacted(assessments: Sequence[Assessment], sensitive: Collection[str], keys: CheckedKeys) -> list[Assessment]:
    """The assessments without examples that may contain a value of a sensitive column (`app.Model.column`)."""
    secret = {assessment.subject for assessment in assessments if assessment.code == "secret-in-clear"}
    hidden = {name.lower() for name in {*sensitive, *secret}}
    tables = {table.label: table for table in keys.tables.values()}
    shown = []
    for assessment in assessments:
        table = tables.get(assessment.subject)
        # The subject of a soft reference is its column, a blank, and the path of its ids in the value.
        column = assessment.subject.lower()
        values = set(_columns_shown(table, keys)) if table is not None else {column, column.partition(" ")[0]}
        shown.append(assessed(assessment, assessment.settings_fix, examples=()) if values & hidden else assessment)
    return shown


def _columns_shown(table: Table, keys: CheckedKeys) -> Iterator[str]:
    """The columns whose values may occur in examples about a table: its own, and those of its natural keys in other tables."""
    yield from _names(table, [column.name for column in table.columns])
    for candidate in (*(tried.key for tried in keys.tried.get(table.id, ())), keys.keys[table.id].natural_key):
        if candidate is not None:
            yield from _columns_of(candidate, table, keys)


def _columns_of(key: NaturalKey, table: Table, keys: CheckedKeys) -> Iterator[str]:
    for path in key.paths:
        here = table
        for position, column in enumerate(path):
            yield from _names(here, [column])
            reference = reference_of(here, column)
            if reference is None or reference.target not in keys.tables or key.source == "surrogate":
                break
            here = keys.tables[reference.target]
            nested = keys.keys[here.id].natural_key
            if position == len(path) - 1 and nested is not None:
                yield from _columns_of(nested, here, keys)


def _names(table: Table, columns: Sequence[str]) -> Iterator[str]:
    """The names of columns in settings: the column's own, and its field's."""
    for column in columns:
        yield f"{table.label}.{column}".lower()
        yield f"{table.label}.{table.column(column).field or column}".lower()
