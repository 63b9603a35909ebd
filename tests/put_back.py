"""A system that every test of a file changes: made once, and put back as it was, at the same places, before each of them.

The places stay the same, since a backup knows whose it is by them: a copy elsewhere would be another EDMS.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.postgres_server import PostgresServer


class KeptFolder:
    """A folder with all that is in it: an SQLite database, files, settings, a repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = Path(tempfile.mkdtemp(prefix="kept-", dir=folder.parent)) / folder.name
        shutil.copytree(folder, self._kept, symlinks=True)

    def put_back(self) -> None:
        """Make the folder what it was when it was kept."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder, symlinks=True)


class KeptDatabase:
    """A PostgreSQL database; what is left beside it, such as a staging one, has a name that begins with its name."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server, self._name, self._kept = server, name, f"kept_{name}"
        server.create_database(self._kept, template=name)

    def put_back(self) -> None:
        """Make the database what it was when it was kept, and drop what is beside it."""
        self._server.drop_databases(self._name)
        self._server.create_database(self._name, template=self._kept)

    def forget(self) -> None:
        """Drop all of it."""
        self._server.drop_databases(self._name)
        self._server.drop_database(self._kept)
