"""The measured EDMS: a populated reference EDMS with a given number of rows, on SQLite or a PostgreSQL server of our own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from benchmarks.multiply import multiply
from tests.postgres_server import PostgresServer
from tests.reference_system import Engine, ReferenceEdms

ROOT = Path(__file__).resolve().parent.parent
ROWS_PER_DOCUMENT = 21
_POPULATED_ROWS = 22_000  # so many, or fewer, are written by Django; all others are copies of them (multiply.py)


class Site:
    """A place for installations on one engine; `server` is None for SQLite."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self.folder = folder
        self.server = server

    @property
    def engine(self) -> Engine:
        """The engine."""
        return "sqlite" if self.server is None else "postgresql"

    def install(self, name: str, rows: int) -> ReferenceEdms:
        """A migrated EDMS with at least `rows` rows and no files; 0: with its defaults only."""
        edms = self._at(name, template=self._migrated)
        if rows:
            populated = rows / -(-rows // _POPULATED_ROWS)
            edms.manage("populate", "--documents", str(round(populated / ROWS_PER_DOCUMENT)), "--seed", "1")
            multiply(edms.database_url, rows)
            # Files are measured by lines of their own.
            shutil.rmtree(edms.media)
            edms.media.mkdir()
        return edms

    def place_for(self, name: str) -> str:
        """The argument of `restore --into`: a database's name, or a file."""
        return name if self.server is not None else str(self.folder / f"{name}.sqlite3")

    def remove(self, place: str) -> None:
        """Drop the database or file at a place."""
        if self.server is not None:
            self.server.drop_database(place)
        else:
            Path(place).unlink()

    def settle(self) -> None:
        """Wait until pending writes are on the disk, so that the next run does not pay for them."""
        if self.server is not None:
            with self.server.connect() as connection:
                connection.execute("CHECKPOINT")
        os.sync()

    @cached_property
    def _migrated(self) -> ReferenceEdms:
        edms = self._at("migrated", template=None)
        edms.manage("migrate", "--verbosity", "0")
        return edms

    def _at(self, name: str, template: ReferenceEdms | None) -> ReferenceEdms:
        media = self.folder / name / "media"
        media.mkdir(parents=True)
        if self.server is None:
            path = self.folder / name / "edms.sqlite3"
            if template is not None:
                shutil.copyfile(template.database_path, path)
            url = f"sqlite:///{path}"
        else:
            source = "template0" if template is None else template.database_name
            url = self.server.create_database(f"edms_{name}", template=source)
        return ReferenceEdms(self.engine, url, media)


@contextmanager
def site(engine: Engine, folder: Path) -> Iterator[Site]:
    """A site in `folder` (created); PostgreSQL's programs are the first in the PATH meanwhile."""
    folder.mkdir()
    if engine == "sqlite":
        yield Site(folder, None)
        return
    with PostgresServer() as server:
        path = os.environ.get("PATH", "")
        os.environ["PATH"] = f"{server.bin_dir}{os.pathsep}{path}"
        try:
            yield Site(folder, server)
        finally:
            os.environ["PATH"] = path


def environment() -> dict[str, str]:
    """The environment of every measured command: without the user's own settings, and with telemetry off."""
    dropped = ("EDMS_BACKUP__", "PREFECT_", "REFERENCE_EDMS_", "PG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "GX_ANALYTICS_ENABLED": "false"}
