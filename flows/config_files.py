"""Config files: write a snapshot's files of settings into a folder. It does not need the EDMS, which may not work without them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.errors import CommandError
from edms_tasks.files.edms_settings_files import write_config_files
from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.lineage.snapshot_source import open_source
from edms_tasks.settings import Settings


@dataclass(frozen=True)
class WrittenConfigFiles:
    """The files that were written, with their modes at the backup."""

    snapshot_id: str
    files: tuple[Path, ...]
    modes: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        found = zip(self.files, self.modes, strict=True)
        return {
            "success": True,
            "snapshot": self.snapshot_id,
            "files": [{"path": str(path), "former_mode": f"{mode:04o}"} for path, mode in found],
        }


def restore_config_files(settings: Settings, snapshot: str, folder: Path) -> WrittenConfigFiles:
    """Write a snapshot's files of `[files] config` into a folder.

    Raises:
        CommandError: the snapshot has none, or a file is there already.
    """
    repository, name = open_source(settings, snapshot)
    chosen = chosen_snapshot(settings, repository, name)
    files = chosen.manifest.config_files
    if not files:
        raise CommandError(
            "The snapshot has no files of settings.",
            where=f"{repository.display}: {chosen.snapshot_id[:12]}",
            why="[files] config was empty when it was made.",
            fix='Name them for the next backup, in an encrypted repository: [files] config = ["/srv/edms/.env"].',
        )
    written = write_config_files(repository, files, folder)
    return WrittenConfigFiles(chosen.snapshot_id, tuple(written), tuple(one.mode for one in files))
