"""Find indexes, statistics and materialised views that PostgreSQL 17 and newer cannot build, refresh or analyse again.

For this work the server uses an empty search path, so a function that names something without its schema fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import psycopg
from psycopg import errors

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_Connection = psycopg.Connection[tuple[object, ...]]
_SINCE = 170000
_NOT_FOUND = (errors.UndefinedFunction, errors.UndefinedTable, errors.UndefinedObject, errors.InvalidSchemaName)
_LOST = ("08", "53", "57", "58", "XX")  # the connection, the disk, the server
_EXPRESSIONS = """
    SELECT pg_catalog.format('index %s', i.indexrelid::pg_catalog.regclass), i.indrelid::pg_catalog.regclass::text,
           ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, position, false) FROM generate_series(1, i.indnatts) position
                 WHERE i.indkey[position - 1] = 0) || pg_catalog.pg_get_expr(i.indpred, i.indrelid),
           pg_catalog.pg_get_userbyid(t.relowner) = current_user
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    WHERE c.relkind = 'i' AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL
    SELECT pg_catalog.format('statistics %I.%I', n.nspname, s.stxname), s.stxrelid::pg_catalog.regclass::text,
           pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), pg_catalog.pg_get_userbyid(t.relowner) = current_user
    FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
    JOIN pg_catalog.pg_class t ON t.oid = s.stxrelid WHERE s.stxexprs IS NOT NULL
    ORDER BY 1
"""
_VIEWS = """
    SELECT pg_catalog.format('materialised view %s', oid::pg_catalog.regclass), pg_catalog.pg_get_viewdef(oid)
    FROM pg_catalog.pg_class WHERE relkind = 'm' ORDER BY 1
"""


def read_maintenance_findings(connection: _Connection, unreadable: Collection[str] = ()) -> tuple[Finding, ...]:
    """A finding for each such object, without those of the tables `unreadable` (quoted names), which no query can read."""
    if connection.info.server_version < _SINCE:
        return ()
    return tuple(
        make_finding(
            "fails-in-maintenance",
            subject,
            "The server cannot build, refresh or analyse it: a function names something without its schema, and PostgreSQL 17 and "
            f"newer then look in pg_catalog only ({why}). A restore creates it anyway.",
        )
        for subject, query in _queries(connection)
        if not any(f"ONLY {table} " in query for table in unreadable)
        and (why := _not_found(connection, query)) is not None
    )


def _queries(connection: _Connection) -> Iterator[tuple[str, str]]:
    """(subject, query) to try each object.

    Expressions on the role's own tables are evaluated for one row. All others are only planned (EXPLAIN): reading a view may take
    long, and functions of other roles must not run with our privileges.
    """
    for subject, table, expressions, ours in connection.execute(_EXPRESSIONS.encode()).fetchall():
        assert isinstance(expressions, list)  # text[] in the query
        columns = ", ".join(f"({expression})" for expression in expressions if expression is not None)
        yield str(subject), f"{'' if ours else 'EXPLAIN '}SELECT {columns} FROM ONLY {table} LIMIT 1"
    for subject, query in connection.execute(_VIEWS.encode()).fetchall():
        yield str(subject), f"EXPLAIN {query}"


def _not_found(connection: _Connection, query: str) -> str | None:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
            connection.execute(query.encode())
    except _NOT_FOUND as error:
        return str(error.diag.message_primary)
    except psycopg.DatabaseError as error:
        if (error.sqlstate or "08").startswith(_LOST):
            raise
        return None  # the function failed for another reason: it refuses the row, or we lack a privilege
    return None
