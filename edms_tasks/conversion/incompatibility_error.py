"""The error for incompatible rows: a few of them in its text, all in its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edms_tasks.conversion.compatibility import Compatibility, IncompatibleColumn
from edms_tasks.conversion.table_pairs import Pairing
from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import IncompatibleRows

_OF_EACH = 3
_LINES = 15


def require_compatible(address: DatabaseAddress, pairing: Pairing, fits: Sequence[Compatibility]) -> None:
    """Check that all tables, columns and values have an equal in the other engine.

    Raises:
        IncompatibleRows: some do not; it names them.
    """
    incompatible = [found for fit in fits for found in fit.incompatible]
    if not incompatible and not pairing.missing:
        return
    lines = [*pairing.missing, *(line for found in incompatible for line in _lines(found))]
    more = [f"… and {len(lines) - _LINES:,} more lines; --json has all of them"] if len(lines) > _LINES else []
    values, missing = sum(found.rows for found in incompatible), len(pairing.missing)
    raise IncompatibleRows(
        f"The snapshot is incompatible with {address.engine}: {values:,} values, {missing:,} tables or columns.",
        where=address.display,
        why="\n         ".join([*lines[:_LINES], *more]),
        fix="Nothing was loaded. Fix the rows in the EDMS and back it up again, or leave a table out with [exclude] tables. "
        "If the EDMS makes a table from others, such as a search index, name it in [derived] tables; a single column in [derived] columns. "
        "docs/migrate.md has a fix for each reason.",
        incompatible=[
            *({"table": line} for line in pairing.missing),
            *(_as_json(found) for found in incompatible),
        ],
    )


def _lines(found: IncompatibleColumn) -> Iterator[str]:
    yield from (str(row) for row in found.listed[:_OF_EACH])
    if found.rows > _OF_EACH:
        yield f"{found.model}: {found.rows - _OF_EACH:,} more rows, whose {found.column} {found.reason}"


def _as_json(found: IncompatibleColumn) -> dict[str, Any]:
    return {
        "model": found.model,
        "column": found.column,
        "reason": found.reason,
        "rows": found.rows,
        "listed": [
            {"primary_key": row.primary_key, "natural_key": row.natural_key, "value": row.value} for row in found.listed
        ],
    }
