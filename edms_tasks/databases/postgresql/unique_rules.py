"""Read what PostgreSQL keeps unique by other means than equal values of columns: expressions, collations, exclusion constraints."""

from __future__ import annotations

from collections import defaultdict

import psycopg

from edms_tasks.inventory.model import UniqueRule

_HAS_OWN_ORDER = """EXISTS (
    SELECT 1 FROM unnest(i.indcollation) AS used(oid) JOIN pg_catalog.pg_collation l ON l.oid = used.oid WHERE NOT l.collisdeterministic
)"""


def read_unique_rules(
    connection: psycopg.Connection[tuple[object, ...]], condition: str
) -> defaultdict[int, list[UniqueRule]]:
    """Oid of a table -> its rules, sorted by name.

    Args:
        connection: a connection in the caller's transaction.
        condition: SQL: which tables count, by `c` of pg_class and `n` of pg_namespace.
    """
    rows = connection.execute(
        f"""
        SELECT i.indrelid::bigint, x.relname::text, coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), ''),
               i.indisexclusion OR {_HAS_OWN_ORDER},
               ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, position, true) FROM generate_series(1, i.indnkeyatts) AS position)
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
        JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE (i.indisunique OR i.indisexclusion) AND i.indisvalid AND {condition} AND (
            i.indisexclusion OR i.indexprs IS NOT NULL OR {_HAS_OWN_ORDER}
        )
        ORDER BY i.indrelid, x.relname
        """.encode()
    ).fetchall()
    rules: defaultdict[int, list[UniqueRule]] = defaultdict(list)
    for oid, name, where, only_the_database, terms in rows:
        assert isinstance(oid, int) and isinstance(terms, list)
        found = () if only_the_database else tuple(str(term) for term in terms)
        rules[oid].append(UniqueRule(name=str(name), terms=found, condition=str(where)))
    return rules


def read_deferred_uniques(connection: psycopg.Connection[tuple[object, ...]]) -> defaultdict[int, list[str]]:
    """Oid of a table -> the names of its unique keys that can be compared at the end of a transaction."""
    rows = connection.execute(
        "SELECT conrelid::bigint, conname::text FROM pg_catalog.pg_constraint WHERE contype = 'u' AND condeferrable ORDER BY 1, 2"
    ).fetchall()
    found: defaultdict[int, list[str]] = defaultdict(list)
    for oid, name in rows:
        assert isinstance(oid, int)
        found[oid].append(str(name))
    return found
