"""Backed-up systems, made once a session: each test gets one as it was after its backup, under the same paths and names.

In place, not as a copy: a snapshot knows its EDMS by host, database and folders, and a copy elsewhere would be another EDMS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flows.backing_up.backup_result import BackupResult
from tests.put_back import KeptDatabase, KeptFolder
from tests.reference_system import EdmsTemplates, Engine, LazyPostgres
from tests.running import Protected, protect


@dataclass(frozen=True)
class BackedUp:
    """A system that has not changed since its one backup."""

    protected: Protected
    first: BackupResult


class KeptSystem:
    """A system as it is when this is made, with its settings, repository and work; what tests do to it can be undone."""

    def __init__(self, protected: Protected, postgres: LazyPostgres) -> None:
        edms = protected.edms
        self._folders = [KeptFolder(edms.media.parent), KeptFolder(protected.config.parent)]
        self._database = KeptDatabase(postgres.server, edms.database_name) if edms.engine == "postgresql" else None

    def put_back(self) -> None:
        """Make it what it was when it was kept."""
        for folder in self._folders:
            folder.put_back()
        if self._database is not None:
            self._database.put_back()


class BackedUpSystems:
    """Backed-up systems by engine, size and settings, each for one test at a time."""

    def __init__(self, templates: EdmsTemplates, folder: Path, postgres: LazyPostgres) -> None:
        self._templates = templates
        self._folder = folder
        self._postgres = postgres
        self._made: dict[tuple[Engine, int, str, str], tuple[BackedUp, KeptSystem]] = {}

    def __call__(self, engine: Engine, *, documents: int = 5, top: str = "", extra: str = "") -> BackedUp:
        """The system as it was after its backup; it stays the caller's until the next call that wants the same."""
        key = (engine, documents, top, extra)
        if key in self._made:
            made, state = self._made[key]
            state.put_back()
        else:
            made, _ = self._made[key] = self._make(*key)
        return made

    def _make(self, engine: Engine, documents: int, top: str, extra: str) -> tuple[BackedUp, KeptSystem]:
        name = f"backed_up_{engine}_{len(self._made):03}"  # none begins with another
        folder = self._folder / name
        edms = self._templates.copy(self._templates.get(engine, documents, 1), folder / "edms", name)
        protected = protect(edms, folder / "protected", top=top, extra=extra)
        first = protected.backup()
        return BackedUp(protected, first), KeptSystem(protected, self._postgres)
