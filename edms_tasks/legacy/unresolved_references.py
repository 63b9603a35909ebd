"""References of placed rows that lead to no row of the snapshot, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import CONTENT_TYPES, Finding
from edms_tasks.legacy.code_models import CodeModel
from edms_tasks.legacy.placed_keys import PlacedKeys
from edms_tasks.legacy.staged_models import StagedModel
from edms_tasks.quoting import literal

_EXAMPLES = 3


def unresolved_references(
    keys: PlacedKeys, models: Mapping[str, CodeModel], table: str, left: Callable[[str], str]
) -> Iterator[Finding]:
    """The findings on one table's references.

    Args:
        keys: the resolved references.
        models: the models of the code.
        table: Table.id.
        left: returns the relation of (n, why) of a table's rows that are left out.
    """
    staged = keys.staged[table]
    for column, reference in staged.model.references.items():
        resolved = keys.resolved(table, column)
        query = f"FROM {resolved} WHERE tn IS NULL OR tn IN (SELECT n FROM {left(reference.target)})"
        count = keys.number(f"SELECT count(*) {query}")
        if count:
            yield _unresolved(keys, staged, column, count, query)
        if not staged.is_key(column):
            source = f"SELECT n, j{staged.position(column)} AS j FROM {staged.relation}"
            name = staged.model.table.column(column).field or column
            yield from by_id(
                f"{staged.model.label}.{name}",
                keys.by_id_of_migrations(("ref", table, column), source, reference.target),
            )
    for generic in staged.model.generics:
        yield from _generic(keys, models, staged, generic.content_type_column, generic.object_id_column)


def by_id(subject: str, count: int) -> Iterator[Finding]:
    """The finding on references by id to rows of migrations: in the EDMS of that time, the id may have been that of another row."""
    if count:
        yield make_finding("old-reference-by-id", subject, count=count)


def _unresolved(keys: PlacedKeys, staged: StagedModel, column: str, count: int, query: str) -> Finding:
    shown: tuple[str, ...] = ()
    if not staged.is_key(column):
        k = staged.position(column)
        rows = keys.cursor.execute(
            f"SELECT DISTINCT CAST(j{k} AS VARCHAR) FROM {staged.relation} WHERE n IN (SELECT n {query}) ORDER BY "
            f"1 LIMIT {_EXAMPLES}"
        ).fetchall()
        shown = tuple(str(text)[:200] for (text,) in rows)
    found = staged.model.table.column(column)
    what = "The column is empty there." if found.nullable else "These rows are left out."
    subject = f"{staged.model.label}.{found.field or column}"
    message = f"References lead to no row of the snapshot. {what}"
    return make_finding("old-reference-unresolved", subject, message, count=count, examples=shown)


def _generic(
    keys: PlacedKeys, models: Mapping[str, CodeModel], staged: StagedModel, types: str, ids: str
) -> Iterator[Finding]:
    """Generic references to rows whose keys were assigned anew."""
    if not keys.assigned or CONTENT_TYPES not in keys.staged or types not in staged.model.references:
        return
    of_types = keys.staged[CONTENT_TYPES]
    app, name = of_types.position("app_label"), of_types.position("model")
    wanted = ", ".join(literal(label) for label, model in models.items() if model.table.id in keys.assigned)
    resolved = keys.resolved(staged.model.table.id, types)
    count = keys.number(
        f"SELECT count(*) FROM {resolved} r JOIN {of_types.relation} t ON t.n = r.tn "
        f"WHERE (t.j{app} ->> '$') || '.' || (t.j{name} ->> '$') IN ({wanted})"
    )
    if count:
        message = (
            f"{ids} holds primary keys that the backup lacks (`--natural-primary`): these references lead "
            f"nowhere. They are kept as "
            "they are; no row has such a key."
        )
        yield make_finding("old-reference-unresolved", f"{staged.model.label}.{ids}", message, count=count)
