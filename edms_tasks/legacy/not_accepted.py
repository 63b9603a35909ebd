"""Rows of an old backup that the database did not accept, in a file: a constraint of it forbids them, alone or beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from edms_tasks.databases.refused_together import RefusedRow
from edms_tasks.quoting import literal


@dataclass
class RefusedRows:
    """The rows that were refused so far."""

    path: Path  # JSON lines
    rows: int = 0
    _tables: set[str] = field(default_factory=set)

    def add(self, table: str, rows: Iterable[RefusedRow], attempt: int) -> None:
        """Add rows of a table (Table.id); groups of another attempt are other groups."""
        with self.path.open("a", encoding="utf-8") as stream:
            for row in rows:
                group = f"{attempt} {row.group}" if row.group else ""
                line = {"table": table, "rule": row.constraint, "together": group, "key": row.key}
                stream.write(json.dumps(line) + "\n")
                self.rows += 1
                self._tables.add(table)

    def constraints(self, cursor: duckdb.DuckDBPyConnection, table: str) -> list[str]:
        """The names of the constraints that refused rows of a table; those that refuse rows alone come first."""
        if table not in self._tables:
            return []
        query = f'SELECT rule FROM {self._relation} WHERE "table" = {literal(table)} GROUP BY rule ORDER BY min(together), rule'
        return [str(name) for (name,) in cursor.execute(query).fetchall()]

    def query(self, table: str, constraint: str, numbered: str) -> str:
        """A query of (n, why) of the rows to leave out: of rows that are forbidden beside each other, all but the last.

        Args:
            table: Table.id.
            constraint: one of `constraints`.
            numbered: a query of (n, key) of the table's rows, with the key's texts as a list.
        """
        refused = f'SELECT together, key FROM {self._relation} WHERE "table" = {literal(table)} AND rule = {literal(constraint)}'
        found = (
            f"SELECT q.n, r.together, max(q.n) OVER (PARTITION BY r.together) AS last FROM ({refused}) r "
            f"JOIN ({numbered}) q ON q.key = r.key"
        )
        beside = "CASE together WHEN '' THEN '' ELSE ' beside a later row' END"
        why = f"{literal(f'{constraint} forbids it')} || {beside}"
        return f"SELECT n, {why} AS why FROM ({found}) WHERE together = '' OR n < last"

    @property
    def _relation(self) -> str:
        columns = "{'table': 'VARCHAR', 'rule': 'VARCHAR', 'together': 'VARCHAR', 'key': 'VARCHAR[]'}"
        return f"read_json({literal(str(self.path))}, format = 'newline_delimited', columns = {columns})"
