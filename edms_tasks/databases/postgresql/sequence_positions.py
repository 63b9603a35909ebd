"""The sequences from which a table's columns take their next value, and how far a merge must move them.

A column takes values from an identity's sequence, from one that it owns, or from any that its default names: several tables may share
one, and rows of a partition get theirs from the partitioned table. Sequences never go back, and a rollback does not undo `setval`.
"""

from __future__ import annotations

from collections.abc import Iterator

from edms_tasks.databases.postgresql.catalogue import Connection
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal

_OF_TABLE = """
    SELECT DISTINCT a.attname::text, n.nspname::text, s.relname::text, q.seqincrement > 0
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typcategory = 'N'
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    JOIN pg_catalog.pg_depend p ON
        (p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_catalog.pg_class'::regclass)
        OR (p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass
            AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype IN ('a', 'i'))
    JOIN pg_catalog.pg_class s ON s.relkind = 'S' AND s.oid = CASE WHEN p.objid = d.oid AND p.classid = 'pg_catalog.pg_attrdef'::regclass
        THEN p.refobjid ELSE p.objid END
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    WHERE (a.attrelid = %s::regclass OR a.attrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(%s::regclass)))
        AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY 1, 2, 3
"""


def advancing(connection: Connection, table: Table) -> Iterator[str]:
    """Statements that move the sequences of a table's numbers past the values that its rows have.

    Args:
        connection: one that does not wait for the transaction's locks.
        table: the table.
    """
    name = identifier(table.schema_name, table.name)
    # A sequence that is owned by a column which takes its values from another one is of no use to it, and of no harm.
    for column, schema, sequence, upwards in connection.execute(_OF_TABLE.encode(), (name, name)).fetchall():
        position = identifier(str(schema), str(sequence))
        furthest, beyond = ("max", ">") if upwards else ("min", "<")
        # Of a sequence that gave no value yet, the next one is `last_value` itself.
        yield (
            f"SELECT pg_catalog.setval({literal(position)}::regclass, CAST(furthest AS bigint)) "
            f"FROM (SELECT {furthest}({identifier(str(column))}) AS furthest FROM ONLY {name}) rows, {position} position "
            f"WHERE furthest {beyond} position.last_value OR (furthest = position.last_value AND NOT position.is_called)"
        )
