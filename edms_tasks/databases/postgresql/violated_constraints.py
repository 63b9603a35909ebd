"""At backup, find constraints that the source's rows satisfied when they were written and do not satisfy now.

PostgreSQL evaluates a check, a domain, an index, a generated column and a partition's bounds when a row is written, and never again.
If a function's body has changed, or names something that does not exist any more, only a restore would notice. Tables are read only if
such an expression uses more than the server's own immutable functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import errors

from edms_tasks.databases.postgresql.check_constraints import DOUBTFUL
from edms_tasks.databases.postgresql.refusable_statements import take_settings, why_not
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_Connection = psycopg.Connection[tuple[object, ...]]
_NOT_VALID = "A restore creates it NOT VALID, so it applies to new rows only."
_LEFT_OUT = "A restore leaves it out and restores the rows without it."
_AS_WRITTEN = "A restore by a superuser restores the rows as they were written."
_PLAIN_COLUMN = (
    "A restore by this role restores it as a plain column with its values, a restore by a superuser as it is."
)
_REFUSED = "A restore by this role would be refused; a restore by a superuser restores the rows as they were written."
_OURS = "pg_catalog.pg_get_userbyid(c.relowner) = current_user"
_TABLE = "pg_catalog.format('%I.%I', n.nspname, c.relname)"
_NAMESPACE = "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
# Each returns: the subject, a query that counts the rows that do not satisfy it, and whether the table is ours. For partitions it is a
# query that returns that query, because the server cannot print a condition whose function names something that does not exist any more.
_CHECKS = f"""
    SELECT pg_catalog.format('check %s of %s.%s', k.conname, n.nspname, c.relname),
           pg_catalog.format('SELECT count(*) FROM ONLY %s WHERE NOT (%s)', {_TABLE}, pg_catalog.pg_get_expr(k.conbin, k.conrelid)), {_OURS}
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid {_NAMESPACE}
    WHERE k.contype = 'c' AND k.convalidated AND c.relkind = 'r' AND ({DOUBTFUL.format(tree="k.conbin")}) ORDER BY 1
"""
_DOMAINS = f"""
    SELECT pg_catalog.format('domain %s.%s in %s.%s', tn.nspname, t.typname, n.nspname, c.relname),
           pg_catalog.format('SELECT 0 * count((%I::%s)::%I.%I) FROM ONLY %s', a.attname,
               pg_catalog.format_type(t.typbasetype, t.typtypmod), tn.nspname, t.typname, {_TABLE}), {_OURS}
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
    JOIN pg_catalog.pg_attribute a ON a.atttypid = t.oid AND NOT a.attisdropped
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' {_NAMESPACE}
    WHERE EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' AND k.convalidated
                  AND ({DOUBTFUL.format(tree="k.conbin")})) ORDER BY 1
"""
_GENERATED = f"""
    SELECT pg_catalog.format('generated column %s of %s.%s', a.attname, n.nspname, c.relname),
           pg_catalog.format('SELECT count(*) FROM ONLY %s WHERE %I::text IS DISTINCT FROM (%s)::text', {_TABLE}, a.attname,
               pg_catalog.pg_get_expr(d.adbin, d.adrelid)), {_OURS}
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid {_NAMESPACE}
    WHERE a.attgenerated = 's' AND c.relkind = 'r' AND ({DOUBTFUL.format(tree="d.adbin")}) ORDER BY 1
"""
_PARTITIONS = f"""
    SELECT pg_catalog.format('partition %s.%s', n.nspname, c.relname),
           pg_catalog.format('SELECT %L || pg_catalog.pg_get_partition_constraintdef(%s) || %L',
               pg_catalog.format('SELECT count(*) FROM ONLY %s WHERE NOT (', {_TABLE}), c.oid, ')'), {_OURS}
    FROM pg_catalog.pg_class c {_NAMESPACE}
    WHERE c.relispartition AND c.relkind = 'r' AND EXISTS (
        SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) above JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = above
        WHERE p.partexprs IS NOT NULL AND ({DOUBTFUL.format(tree="p.partexprs")})) ORDER BY 1
"""
_INDEXES = f"""
    SELECT pg_catalog.format('index %s.%s', n.nspname, x.relname), {_TABLE}, {_OURS},
           ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, position, false) FROM generate_series(1, i.indnkeyatts) position
                 ORDER BY position), coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true'),
           i.indisunique OR EXISTS (
               SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype = 'x'
               AND NOT EXISTS (SELECT FROM unnest(k.conexclop) u(op) JOIN pg_catalog.pg_operator o ON o.oid = u.op WHERE o.oprname <> '='))
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid {_NAMESPACE}
    WHERE i.indisvalid AND c.relkind = 'r' AND (({DOUBTFUL.format(tree="i.indexprs")}) OR ({DOUBTFUL.format(tree="i.indpred")})) ORDER BY 1
"""


@dataclass(frozen=True)
class _Asked:
    subject: str
    query: str  # returns the number of rows that do not satisfy it
    is_ours: bool  # if not, it is only planned: functions of other roles must not run with our privileges
    consequence: str
    returns_query: bool = False  # `query` returns the counting query


def read_violated_constraints(
    connection: _Connection, settings: Mapping[str, str], unreadable: Collection[str] = ()
) -> tuple[Finding, ...]:
    """A finding for each such constraint, with the severity of its consequence.

    Args:
        connection: a connection in the backup's transaction.
        settings: the settings of the EDMS's sessions when they write rows.
        unreadable: quoted names of tables that no query can read; they are left out.
    """
    asked = [one for one in _asked(connection) if not any(f"ONLY {table} " in f"{one.query} " for table in unreadable)]
    found = []
    with connection.transaction(force_rollback=True):
        take_settings(connection, settings)
        for one in asked:
            if (why := _why(connection, one)) is not None:
                found.append(_finding(one, why))
    return tuple(found)


def _asked(connection: _Connection) -> Iterator[_Asked]:
    is_superuser = connection.execute("SHOW is_superuser").fetchone() == ("on",)
    for listing, consequence in (
        (_CHECKS, _NOT_VALID), (_DOMAINS, _NOT_VALID), (_GENERATED, _AS_WRITTEN if is_superuser else _PLAIN_COLUMN),
        (_PARTITIONS, _AS_WRITTEN if is_superuser else _REFUSED),
    ):  # fmt: skip
        for subject, query, ours in connection.execute(listing.encode()).fetchall():
            yield _Asked(str(subject), str(query), bool(ours), consequence, returns_query=listing == _PARTITIONS)
    for subject, table, ours, expressions, predicate, unique in connection.execute(_INDEXES.encode()).fetchall():
        assert isinstance(expressions, list)  # text[] in the query
        keys = [f"({one}) AS k{number}" for number, one in enumerate(expressions)]
        rows = f"SELECT {', '.join(keys)} FROM ONLY {table} WHERE {predicate}"
        names = [f"k{number}" for number, _ in enumerate(expressions)]
        filled = " AND ".join(f"{name} IS NOT NULL" for name in names)
        twice = f"SELECT count(*) FROM (SELECT FROM ({rows}) r WHERE {filled} GROUP BY {', '.join(names)} HAVING count(*) > 1) t"
        once = f"SELECT 0 * count(ROW({', '.join(names)})) FROM ({rows}) r"
        yield _Asked(str(subject), twice if unique else once, bool(ours), _LEFT_OUT)


def _why(connection: _Connection, asked: _Asked) -> str | None:
    """Why the rows do not satisfy it, or why it cannot be evaluated; None if they do."""
    try:
        with connection.transaction():
            query = _only_value(connection, asked.query) if asked.returns_query else asked.query
            row = connection.execute(f"{'' if asked.is_ours else 'EXPLAIN '}{query}".encode()).fetchone()
    except errors.ReadOnlySqlTransaction:
        return None  # a function writes, so it cannot be checked
    except psycopg.Error as error:
        return why_not(error)
    assert row is not None  # an aggregate and a plan always have a row
    if not asked.is_ours or row[0] == 0:
        return None
    return f"{row[0]:,} {'keys are duplicates' if 'HAVING' in asked.query else 'rows do not satisfy it'}"


def _only_value(connection: _Connection, query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # a SELECT without FROM always has a row
    return str(row[0])


def _finding(asked: _Asked, why: str) -> Finding:
    return make_finding(
        "once-true",
        asked.subject,
        f"Its rows satisfied it when they were written, and do not now: {why}. {asked.consequence}",
        severity="error" if asked.consequence == _REFUSED else "warning",
    )
