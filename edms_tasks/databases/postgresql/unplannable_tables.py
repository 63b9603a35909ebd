"""Find indexes and statistics that prevent every query on their table, because an SQL function that they call names something missing.

The planner expands such a function whenever it plans a read of the table, and fails. COPY of a table is not planned, so a backup
reads the rows by COPY; a restore leaves these indexes and statistics out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.databases.postgresql.archive import Archive
from edms_tasks.databases.postgresql.check_constraints import CALLS_OWN
from edms_tasks.databases.postgresql.refusable_statements import Connection, rehearse_query
from edms_tasks.databases.postgresql.schema_plan import subject
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.errors import TerminalError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, ForeignReference, Table
from edms_tasks.quoting import identifier

_COLUMNS = """
    (SELECT pg_catalog.string_agg(pg_catalog.format('NULL::%s AS %I', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attname), ', ')
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
"""
_TABLE = "pg_catalog.format('%I.%I', tn.nspname, c.relname)"
_ROW = f"{_COLUMNS}, c.relkind <> 'p'"
# The object, its table, its expressions, a row to plan them over, and whether the table has no partitions (partitioned ones come first).
_OBJECTS = f"""
    SELECT CASE k.contype WHEN 'x' THEN 'CONSTRAINT' ELSE 'INDEX' END, n.nspname, x.relname, tn.nspname, c.relname, {_TABLE},
           ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, position, false) FROM generate_series(1, i.indnatts) position
                 WHERE i.indkey[position - 1] = 0) || pg_catalog.pg_get_expr(i.indpred, i.indrelid), {_ROW}
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'x'
    WHERE ({CALLS_OWN.format(tree="i.indexprs")}) OR ({CALLS_OWN.format(tree="i.indpred")})
    UNION ALL
    SELECT 'STATISTICS', n.nspname, s.stxname, tn.nspname, c.relname,
           {_TABLE}, pg_catalog.pg_get_statisticsobjdef_expressions(s.oid), {_ROW}
    FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
    JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = c.relnamespace
    WHERE {CALLS_OWN.format(tree="s.stxexprs")}
    ORDER BY 9, 1, 2, 3
"""
_FOLLOWING = {"COMMENT", "INDEX ATTACH"}


@dataclass(frozen=True)
class PlannerObstacle:
    """An index, exclusion constraint or statistics object that prevents queries on its table."""

    kind: str
    schema: str
    name: str
    table: tuple[str, str]
    quoted: str  # the table, as the server quotes it
    why: str

    @property
    def drop(self) -> str:
        """The statement that drops it, if it exists."""
        if self.kind == "CONSTRAINT":
            return f"ALTER TABLE {identifier(*self.table)} DROP CONSTRAINT IF EXISTS {identifier(self.name)}"
        return f"DROP {self.kind} IF EXISTS {identifier(self.schema, self.name)}"

    @property
    def tag(self) -> str:
        """The tag of its entry in an archive."""
        return f"{self.table[1]} {self.name}" if self.kind == "CONSTRAINT" else self.name


def find_obstacles(connection: Connection, settings: Mapping[str, str]) -> tuple[PlannerObstacle, ...]:
    """The objects for which the planner fails.

    Args:
        connection: a connection with an empty search path.
        settings: the settings of the EDMS's sessions, with which its functions find the names they use.
    """
    return tuple(_obstacles(connection, settings))


def findings_of(obstacles: tuple[PlannerObstacle, ...]) -> Iterator[Finding]:
    """A finding for each object."""
    for one in obstacles:
        yield make_finding(
            "table-cannot-be-read",
            f"{one.kind.lower()} {one.schema}.{one.name}",
            f"No query can read {'.'.join(one.table)} because of it: {one.why}. The rows are in the snapshot; a restore leaves it out.",
        )


def compared_with(table: Table) -> tuple[str, ...]:
    """The ids of the tables that are read together with a table, because the database must compare its references."""
    references = [one for one in table.references if isinstance(one, ForeignReference) and one.comparisons]
    return tuple(target for reference in references for target in reference.targets)


def obstacle_of(tables: Sequence[Table], obstacles: Sequence[PlannerObstacle]) -> PlannerObstacle | None:
    """The first obstacle for a query on these tables; None if there is none."""
    names = [(table.schema_name, table.name) for table in tables]
    return next((one for one in obstacles if one.table in names), None)


def copy_is_not_enough(obstacle: PlannerObstacle, table: Table, where: str) -> TerminalError:
    """The error for a table that needs more than COPY can read."""
    return TerminalError(
        f"No query can read {'.'.join(obstacle.table)}, and COPY alone does not tell all that is needed of {table.label}.",
        where=where,
        why=f"{obstacle.kind.lower()} {obstacle.schema}.{obstacle.name}: {obstacle.why}",
        fix="Correct the function that it calls, or drop it.",
    )


def remove_obstacles(connection: Connection, settings: Mapping[str, str], archive: Archive) -> list[LeftOut]:
    """Drop these objects from a restored database, so that its tables can be read; returns what was left out."""
    left_out = []
    for one in _obstacles(connection, settings):
        connection.execute(one.drop.encode())
        entry = next(
            (
                entry
                for entry in archive.entries
                if (entry.kind, entry.text("schema"), entry.text("tag")) == (one.kind, one.schema, one.tag)
            ),
            None,
        )
        if entry is None:
            continue
        these = [
            entry,
            *(other for other in archive.entries if other.kind in _FOLLOWING and entry.number in other.needs),
        ]
        why = f"no query can read {'.'.join(one.table)} while it is there ({one.why})"
        left_out += [LeftOut(subject(each), why, each.text("definition").strip().removesuffix(";")) for each in these]
    return left_out


def _obstacles(connection: Connection, settings: Mapping[str, str]) -> Iterator[PlannerObstacle]:
    planned: dict[str, bool] = {}
    for kind, schema, name, table_schema, table, quoted, expressions, columns, alone in connection.execute(
        _OBJECTS.encode()
    ).fetchall():
        assert isinstance(expressions, list)  # text[] in the query
        source = f"{'ONLY ' if alone else ''}{quoted}"
        if source not in planned:
            planned[source] = rehearse_query(connection, f"EXPLAIN SELECT FROM {source}".encode(), settings) is None
        if planned[source]:
            continue
        values = ", ".join(f"({expression})" for expression in expressions if expression is not None)
        # OFFSET 0 keeps the planner from evaluating the expressions with these NULLs.
        query = f"EXPLAIN SELECT {values} FROM (SELECT {columns} OFFSET 0) AS row_of_it"
        if (why := rehearse_query(connection, query.encode(), settings)) is not None:
            yield PlannerObstacle(str(kind), str(schema), str(name), (str(table_schema), str(table)), str(quoted), why)
