"""Find the tables whose indexes, checks, generated columns or statistics call functions of the EDMS.

Such a function may name objects without their schema. PostgreSQL expands it when it plans a read of the table, and does not find
them with the empty search path of our readers. So these tables are read with the EDMS's path. All others are read with an empty
one, because PostgreSQL writes values such as a regclass without their schema if the path makes them visible, and in another
database they could then mean another table.
"""

from __future__ import annotations

import psycopg

_FIRST_OWN = 16384  # FirstNormalObjectId: below are the server's own functions and operators

TableName = tuple[str | None, str]


def tables_with_own_functions(connection: psycopg.Connection[tuple[object, ...]]) -> frozenset[TableName]:
    """(schema, name) of these tables and of their partitions."""
    rows = connection.execute(
        f"""
        WITH RECURSIVE called AS (
            SELECT classid, objid FROM pg_catalog.pg_depend
            WHERE refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
            AND refobjid >= {_FIRST_OWN}
        ), tables(oid) AS (
            SELECT objid FROM called WHERE classid = 'pg_catalog.pg_class'::regclass
            UNION SELECT i.indrelid FROM pg_catalog.pg_index i JOIN called c
                ON c.classid = 'pg_catalog.pg_class'::regclass AND c.objid = i.indexrelid
            UNION SELECT k.conrelid FROM pg_catalog.pg_constraint k JOIN called c
                ON c.classid = 'pg_catalog.pg_constraint'::regclass AND c.objid = k.oid
            UNION SELECT a.adrelid FROM pg_catalog.pg_attrdef a JOIN called c
                ON c.classid = 'pg_catalog.pg_attrdef'::regclass AND c.objid = a.oid
            UNION SELECT s.stxrelid FROM pg_catalog.pg_statistic_ext s JOIN called c
                ON c.classid = 'pg_catalog.pg_statistic_ext'::regclass AND c.objid = s.oid
        ), members(oid) AS (
            SELECT oid FROM tables UNION SELECT h.inhrelid FROM members m JOIN pg_catalog.pg_inherits h ON h.inhparent = m.oid
        )
        SELECT n.nspname, c.relname FROM members m JOIN pg_catalog.pg_class c ON c.oid = m.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
        """.encode()
    ).fetchall()
    return frozenset((str(schema), str(name)) for schema, name in rows)
