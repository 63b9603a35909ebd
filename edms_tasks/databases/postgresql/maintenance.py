"""Indexes, statistics and materialised views that PostgreSQL 17 and newer can keep but not build, refresh or analyse.

For that work the server takes the session's search path away, so that a function fails that names something without its schema.
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
    """A finding for each, but for those of tables that no query can read, which are given as the server quotes them."""
    if connection.info.server_version < _SINCE:
        return ()
    return tuple(
        make_finding(
            "fails-in-maintenance",
            subject,
            "The server cannot build, refresh or analyse it: a function names something without its schema, and PostgreSQL 17 and "
            f"newer then look in pg_catalog only ({why}). A restore makes it all the same.",
        )
        for subject, query in _queries(connection)
        if not any(f"ONLY {table} " in query for table in unreadable)
        and (why := _not_found(connection, query)) is not None
    )


def _queries(connection: _Connection) -> Iterator[tuple[str, str]]:
    """Expressions of our own tables are tried on a row: their functions run as we whenever the EDMS writes there.

    All else is only planned. To read a view may take long, and what somebody else wrote must not run with our rights.
    """
    for subject, table, expressions, ours in connection.execute(_EXPRESSIONS.encode()).fetchall():
        assert isinstance(expressions, list)  # text[], says the query
        said = ", ".join(f"({expression})" for expression in expressions if expression is not None)
        yield str(subject), f"{'' if ours else 'EXPLAIN '}SELECT {said} FROM ONLY {table} LIMIT 1"
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
        return None  # the function has its own reasons: a row that it refuses, a right that we lack
    return None
