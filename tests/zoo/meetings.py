"""Two systems with the same traits and other ids, one after the other in one place: backed up, lost, merged, restored, asked."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.settings import Settings, settings_from
from tests.postgres_server import PostgresServer
from tests.warm_python import edms_python

PROJECT = Path(__file__).with_name("project")

Said = dict[str, dict[str, Any]]
"""Trait -> what its rows say, by names instead of ids."""


def traits_of(engine: str) -> list[str]:
    """The traits that an engine can have."""
    folders = ("traits", "of_sqlite" if engine == "sqlite" else "of_postgresql")
    return sorted(f"{one}.{path.stem}" for one in folders for path in (PROJECT / "meeting" / one).glob("[!_]*.py"))


@dataclass(frozen=True)
class Meeting:
    """A place for the two systems; on PostgreSQL the database of that name."""

    traits: Sequence[str]
    folder: Path
    server: PostgresServer | None
    name: str

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/db.sqlite3" if self.server is None else self.server.url(self.name)

    def make(self, side: str) -> Settings:
        """Lose what is there, and fill a new system with the rows of `mine` or `theirs`; returns its settings."""
        if self.server is None:
            (self.folder / "db.sqlite3").unlink(missing_ok=True)
        else:
            self.server.drop_databases(self.name)
            self.server.create_database(self.name)
        declared = self._ask("build")
        self._ask("fill", side)
        edms = {
            "project": str(PROJECT),
            "settings": "meeting_settings",
            "python": edms_python(),
            "env": self._environment(),
        }
        return settings_from(
            {
                "edms": edms,
                "repository": {"url": str(self.folder / "repository")},
                "workdir": str(self.folder / "work"),
                "chunk_rows": 3,  # forces every boundary
                "validate": {"django_check": False},
                **declared,
            },
            where=self.folder / "edms-backup.toml",
        )

    def said(self) -> Said:
        """What the rows say, as the system's own models read them."""
        return self._ask("say")

    def _environment(self) -> dict[str, str]:
        return {"MEETING_TRAITS": ",".join(self.traits), "ZOO_DATABASE": self.url}

    def _ask(self, *arguments: str) -> dict[str, Any]:
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")}
        done = subprocess.run(
            [edms_python(), str(PROJECT / "meet.py"), *arguments],
            env=kept | self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-6000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def together(mine: Said, theirs: Said) -> Said:
    """What the rows say after a merge: what both say of a name is said as the snapshot says it, and rows without a name are counted."""

    def one(trait: str, name: str) -> Any:
        ours, others = (said[trait].get(name) for said in (mine, theirs))
        return (
            max(ours, others) if isinstance(ours, int) and isinstance(others, int) else others if ours is None else ours
        )

    return {trait: {name: one(trait, name) for name in {**mine[trait], **theirs[trait]}} for trait in mine}
