"""An EDMS at the places that the guides name, below a folder of the tests, and somebody who types what a page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.pages.page_commands import script_of
from tests.put_back import KeptFolder
from tests.reference_system import ReferenceEdms
from tests.warm_python import edms_python

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDES = ROOT / "docs" / "guides"
_PLACES = ("/srv/edms", "/etc/edms-backup", "/etc/systemd/system", "/backups", "/mnt", "/root", "/tmp")
# Asked by a person at a terminal, who answers yes.
_ASKING = "restore|merge|rollback"


class GuidedSystem:
    """Folders like /srv and /etc below one of the tests, with the reference EDMS in /srv/edms."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "etc" / "edms-backup" / "edms-backup.toml"
        self.places = {place: str(folder) + place for place in _PLACES}
        for place in self.places.values():
            Path(place).mkdir(parents=True)
        (folder / "mnt" / "usb").mkdir()

    def put_edms(self, template: ReferenceEdms) -> None:
        """Put a copy of a filled reference EDMS where the guides expect an EDMS."""
        home = self.folder / "srv" / "edms"
        shutil.copytree(template.project, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "var"))
        (home / "var").mkdir()
        shutil.copy2(template.database_path, home / "var" / "edms.sqlite3")
        shutil.copytree(template.media, home / "var" / "media")
        _program(home / ".venv" / "bin" / "python", f'exec {edms_python()} "$@"\n')
        self.put_programs()

    def put_programs(self) -> None:
        """Put `edms-backup` and `python` into the PATH of whoever follows a page."""
        _program(self.folder / "bin" / "python", f'exec {sys.executable} "$@"\n')
        ours = Path(sys.executable).with_name("edms-backup")
        _program(
            self.folder / "bin" / "edms-backup",
            f'case " $* " in *" --yes "*|*" --dry-run "*|*" --into "*) ;; *)\n'
            f'case "${{1-}}" in {_ASKING}) exec {ours} "$@" --yes;; esac;; esac\nexec {ours} "$@"\n',
        )

    def keep(self) -> KeptFolder:
        """All of it, to be put back as it is now."""
        return KeptFolder(self.folder)

    def follow(self, page: Path, places: dict[str, str] | None = None, **variables: str) -> str:
        """Type what a page says; what it printed is returned.

        Raises:
            AssertionError: a command did not end as the page says.
        """
        script = script_of(page, self.places | (places or {}), "/etc/edms-backup/edms-backup.toml")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EDMS_BACKUP", "REFERENCE_", "DJANGO"))
        }
        environment = inherited | {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **variables,
        }
        typed = self.folder / "typed.log"
        with typed.open("w", encoding="utf-8") as log:
            done = subprocess.run(
                ["bash", "-c", script], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )  # fmt: skip
        printed = typed.read_text(encoding="utf-8")
        assert done.returncode == 0, printed[-6000:]
        return printed


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)
