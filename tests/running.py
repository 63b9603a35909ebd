"""Run the product on an installation as a person would call it from Python: the compositions, without an orchestrator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.settings import Settings, load_settings
from flows.backing_up.conclusion import BackupResult
from flows.backup import compose_backup
from flows.restore import compose_restore
from flows.restoring.result import RestoreResult
from flows.rollback import RollbackResult, compose_rollback
from flows.running.threads import DirectSteps
from flows.verify import VerifyResult, compose_verify
from tests.reference_system import ReferenceEdms


@dataclass(frozen=True)
class Protected:
    """An installation with settings and a repository of its own."""

    edms: ReferenceEdms
    config: Path
    repository: Path

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def backup(self, tag: str | None = None, **options: Any) -> BackupResult:
        return compose_backup(self.settings, DirectSteps(), tag=tag, **options)

    def restore(self, snapshot: str = "latest", **options: Any) -> RestoreResult:
        return compose_restore(self.settings, DirectSteps(), snapshot=snapshot, **options)

    def verify(self, snapshot: str | None = None) -> VerifyResult:
        return compose_verify(self.settings, DirectSteps(), snapshot=snapshot)

    def rollback(self, stamp: str | None = None) -> RollbackResult:
        return compose_rollback(self.settings, DirectSteps(), stamp=stamp)


def protect(edms: ReferenceEdms, folder: Path, *, top: str = "", extra: str = "") -> Protected:
    """Settings for an installation; `top` is TOML for before, `extra` for after the sections it writes."""
    config = edms.settings_file(folder / "edms-backup.toml", folder / "repository", extra=extra)
    if top:
        config.write_text(f"{top}\n{config.read_text(encoding='utf-8')}", encoding="utf-8")
    return Protected(edms, config, folder / "repository")
