"""SQL that compares a reference as PostgreSQL itself does: with the constraint's operators, collation and casts.

Values with different texts may be equal: with a collation that ignores case, in `citext`, `jsonb`, `interval`, or between columns of
two types. The SQL is that of the constraint's trigger (src/backend/utils/adt/ri_triggers.c, RI_FKey_check).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edms_tasks.errors import TerminalError
from edms_tasks.inventory.model import Comparison, ForeignReference, Table
from edms_tasks.quoting import identifier, identifiers

_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]{1,63}")


def rows_of(tables: Sequence[Table], columns: Iterable[str]) -> str:
    """The FROM item for the rows of a table, or of all its partitions."""
    names = [identifier(table.schema_name, table.name) for table in tables]
    if len(names) == 1:
        return f"ONLY {names[0]}"
    wanted = identifiers(dict.fromkeys(columns))
    return "(" + " UNION ALL ".join(f"SELECT {wanted} FROM ONLY {name}" for name in names) + ")"


def points_at(reference: ForeignReference, pointing: str, pointed: str) -> str:
    """SQL: whether the row `pointing` (an alias) refers to the row `pointed`; a temporal reference is compared without its period."""
    pairs = list(zip(reference.columns, reference.target_columns, reference.comparisons, strict=True))
    if reference.temporal:
        pairs.pop()
    return " AND ".join(
        _same(f"{pointed}.{identifier(target)}", f"{pointing}.{identifier(column)}", comparison)
        for column, target, comparison in pairs
    )


def covered(reference: ForeignReference, pointing: str, target: str) -> str:
    """SQL: whether the periods of the rows that `pointing` refers to cover its own; `target` is the FROM item of these rows."""
    period = f"{pointing}.{identifier(reference.columns[-1])}"
    theirs = f"t.{identifier(reference.target_columns[-1])}"
    return (
        f"coalesce((SELECT {period} OPERATOR(pg_catalog.<@) pg_catalog.range_agg({theirs}) FROM {target} AS t "
        f"WHERE {points_at(reference, pointing, 't')} AND {theirs} OPERATOR(pg_catalog.&&) {period}), false)"
    )


def _same(pointed: str, pointing: str, comparison: Comparison) -> str:
    schema, name = comparison.operator
    # `--` and `/*` would begin a comment.
    if not _OPERATOR.fullmatch(name) or "--" in name or "/*" in name:
        raise TerminalError(
            "A reference in the manifest names something that is not an operator.",
            where=name[:80],
            fix="The manifest was not written by edms-backup. Use another snapshot.",
        )
    left = f"{pointed}::{identifier(*comparison.pointed_type)}" if comparison.pointed_type else pointed
    right = f"{pointing}::{identifier(*comparison.pointing_type)}" if comparison.pointing_type else pointing
    if comparison.collation:
        right = f"({right}) COLLATE {identifier(*comparison.collation)}"
    return f"{left} OPERATOR({identifier(schema)}.{name}) {right}"
