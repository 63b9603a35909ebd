"""Which references of a table lead to the row of the model that its model inherits from (Django's multi-table inheritance)."""

from __future__ import annotations

from collections.abc import Iterator

from edms_tasks.inventory.model import ForeignReference, Table


def parent_links(table: Table) -> Iterator[ForeignReference]:
    """The links that Django itself adds: `<parent>_ptr_id`. Both rows are one object, and Django deletes both."""
    for reference in table.references:
        if isinstance(reference, ForeignReference) and all(name.endswith("_ptr_id") for name in reference.columns):
            yield reference
