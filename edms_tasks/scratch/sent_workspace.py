"""A workspace for another process: its tables in a file, which any number of processes read at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.duckdb_instance import DATABASE
from edms_tasks.scratch.workspace import Workspace, open_workspace

_SENT = "sent"


@dataclass(frozen=True)
class SentWorkspace:
    """A workspace as another process opens it.

    Args:
        folder: its folder, which both processes see under this path.
        schema: its schema.
        tables: file with its tables; None if there are none.
    """

    folder: Path
    schema: str
    tables: Path | None

    @contextmanager
    def opened(self, *, memory_limit_mb: int) -> Iterator[Workspace]:
        """A workspace of this process in which these tables can be read; what is made in it is seen by nobody else."""
        own = Path(tempfile.mkdtemp(prefix="of-a-worker-", dir=self.folder))
        with open_workspace(own, memory_limit_mb=memory_limit_mb, threads=1) as workspace:
            engine = workspace.engine
            if self.tables is not None:
                engine.execute(f"ATTACH {literal(str(self.tables))} AS {_SENT} (READ_ONLY)")
            try:
                for schema, name in _tables_of(workspace, _SENT):
                    engine.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(DATABASE, schema)}")
                    engine.execute(
                        f"CREATE VIEW {identifier(DATABASE, schema, name)} AS SELECT * FROM {identifier(_SENT, schema, name)}"
                    )
                yield replace(workspace, schema=self.schema)
            finally:
                if self.tables is not None:
                    engine.execute(f"DETACH {_SENT}")


def send_workspace(workspace: Workspace) -> SentWorkspace:
    """Write the tables of a workspace, as they are now, to a file in its folder."""
    if not _tables_of(workspace, DATABASE):
        return SentWorkspace(workspace.folder, workspace.schema, None)
    path = workspace.scratch("tables").with_suffix(".duckdb")
    engine = workspace.engine
    engine.execute(f"ATTACH {literal(str(path))} AS {_SENT}")
    try:
        engine.execute(f"COPY FROM DATABASE {DATABASE} TO {_SENT}")
    finally:
        engine.execute(f"DETACH {_SENT}")
    return SentWorkspace(workspace.folder, workspace.schema, path)


def _tables_of(workspace: Workspace, database: str) -> list[tuple[str, str]]:
    return workspace.engine.execute(
        f"SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = {literal(database)} AND NOT temporary ORDER BY ALL"
    ).fetchall()
