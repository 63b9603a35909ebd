"""Why PostgreSQL refused to write rows: the constraint, the table, and the two rows that cannot both be there.

Only the server knows which rows an exclusion constraint, a collation of its own or a computed index does not allow together. So it is
asked before rows are written: its refusal names values, and not the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import adbc_driver_manager

from edms_tasks.databases.postgresql.catalogue import Connection
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal, mentions
from edms_tasks.redaction import NOT_SHOWN, Redaction

_EXAMPLES = 3
_LONGEST = 900
_INDEX = """
    SELECT ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnkeyatts) AS n ORDER BY n),
           ARRAY(SELECT coalesce((SELECT pg_catalog.format('OPERATOR(%%I.%%s)', s.nspname, o.oprname) FROM pg_catalog.pg_operator o
                     JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace WHERE o.oid = k.conexclop[n]), '=')
                 FROM generate_series(1, i.indnkeyatts) AS n ORDER BY n),
           ARRAY(SELECT coalesce((SELECT pg_catalog.format('COLLATE %%I.%%I', s.nspname, l.collname) FROM pg_catalog.pg_collation l
                     JOIN pg_catalog.pg_namespace s ON s.oid = l.collnamespace WHERE l.oid = i.indcollation[n - 1]), '')
                 FROM generate_series(1, i.indnkeyatts) AS n ORDER BY n),
           coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true'), NOT i.indimmediate
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'x'
    WHERE i.indrelid = %s::regclass AND x.relname = %s
"""
NOT_BOTH = (
    "Change one of the two rows in the EDMS, or merge without the snapshot's row (`--only` names what is merged)."
)
"""What to do about two rows that cannot both be there."""
_FIXES = {
    "23505": NOT_BOTH,  # a unique index
    "23P01": NOT_BOTH,  # an exclusion constraint
    "23503": "Add the missing row to the EDMS, or merge the row that is referred to as well.",
    "23502": "The target needs a value that the snapshot's row does not have: fill it in the EDMS, back it up again, and merge that.",
    "23514": "The target does not accept this row of the snapshot: correct it in the EDMS that was backed up, or relax the constraint.",
    "53100": "The server's disk is full: free some space there, and run it again.",
    "53200": "The server has no room for more locks, or no memory: raise max_locks_per_transaction there, restart it, and run it again.",
}


@dataclass(frozen=True)
class Refusal:
    """What the server said."""

    state: str  # SQLSTATE
    message: str

    @classmethod
    def of(cls, error: adbc_driver_manager.Error) -> Refusal:
        """Read the driver's error, without the statement that it quotes."""
        parts = {_text(name): _text(value) for name, value in error.details or ()}
        said = [parts[name] for name in ("PG_DIAG_MESSAGE_PRIMARY", "PG_DIAG_MESSAGE_DETAIL") if parts.get(name)]
        return cls(
            parts.get("PG_DIAG_SQLSTATE", ""),
            ". ".join(said)[:_LONGEST] or str(error)[-_LONGEST:],
        )

    @property
    def fix(self) -> str:
        """What the user can do."""
        does = _FIXES.get(self.state, "The message above names what the server does not accept.")
        return f"Nothing was changed. {does} `edms-backup merge --dry-run` shows the plan."


def rows_that_exclude_each_other(
    connection: Connection,
    table: Table,
    constraint: str,
    values: Mapping[str, str],
    rows: str,
    *,
    even_if_deferrable: bool,
    redaction: Redaction,
) -> str | None:
    """A query for (row to be written, row that is there) that the constraint does not allow together; None if it is not an index.

    Args:
        connection: for the catalogue.
        table: the table.
        constraint: the name of the index, which is that of its constraint.
        values: column -> SQL of its value in `rows`, whose alias is `r`.
        rows: the rows to be written.
        even_if_deferrable: also for a constraint that is checked at the end, when no row that is there will be changed any more.
        redaction: which values may name the rows.
    """
    name = identifier(table.schema_name, table.name)
    found = connection.execute(_INDEX.encode(), (name, constraint)).fetchone()
    if found is None or not table.primary_key:
        return None
    terms, operators, collations, condition, deferrable = found
    if deferrable and not even_if_deferrable:
        return None
    assert isinstance(terms, list) and isinstance(operators, list) and isinstance(collations, list)
    if _names_generated(table, [*map(str, terms), str(condition)]):
        return None  # the server has its value only once the row is written
    numbered = ", ".join(f"({term}) AS {identifier(f'@{number}')}" for number, term in enumerate(terms))
    typed = ", ".join(f"{value} AS {identifier(column)}" for column, value in values.items())
    both = " AND ".join(
        f"(r.{identifier(f'@{number}')}) {collation} {operator} t.{identifier(f'@{number}')}"
        for number, (operator, collation) in enumerate(zip(operators, collations, strict=True))
    )
    # Rows that these overwrite give up what they have.
    same = " AND ".join(f"{values[column]} = x.{identifier(column)}" for column in table.primary_key)
    stays = "" if even_if_deferrable else f" AND NOT EXISTS (SELECT FROM {rows} r WHERE {same})"
    return f"""
        SELECT {_shown(table, "r", redaction)}, {_shown(table, "t", redaction)}
        FROM (SELECT x.*, {numbered} FROM (SELECT {typed} FROM {rows} r) x WHERE {condition}) r
            JOIN (SELECT x.*, {numbered} FROM ONLY {name} x WHERE ({condition}){stays}) t ON {both}
        ORDER BY 1, 2 LIMIT {_EXAMPLES}
    """


def _names_generated(table: Table, expressions: list[str]) -> bool:
    generated = [column.name for column in table.columns if column.generated]
    return any(mentions(text, name) for name in generated for text in expressions)


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _shown(table: Table, alias: str, redaction: Redaction) -> str:
    """SQL: what names a row for people: its id and the columns of its first unique key."""
    stored = {column.name for column in table.stored_columns}
    unique = next((one.columns for one in table.unique_keys if not one.partial and stored.issuperset(one.columns)), ())
    names = dict.fromkeys((*table.primary_key, *unique)) or dict.fromkeys(stored)
    shown = [name for name in names if not redaction.hides(table, name)]
    parts = [f"{literal(f'{name} ')} || coalesce(CAST({alias}.{identifier(name)} AS text), 'NULL')" for name in shown]
    if not parts:
        return literal(NOT_SHOWN)
    return f"left(concat_ws(', ', {', '.join(parts)}), 200)"
