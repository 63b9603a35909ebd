"""Run the product on an installation as a person would call it from Python: the flows' functions, without an orchestrator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings, Settings, load_settings
from flows.backing_up.backup_result import BackupResult
from flows.backup import backup
from flows.diff import DiffResult, diff
from flows.doctor import Examined, doctor
from flows.merge import MergeResult, merge
from flows.requests import (
    BackupRequest,
    DiffRequest,
    DoctorRequest,
    MergeRequest,
    RestorePlanRequest,
    RestoreRequest,
    RollbackRequest,
    VerifyRequest,
)
from flows.restore import BeforeValidation, restore, restore_snapshot
from flows.restore_plan import RestorePlan, plan_restore
from flows.restoring.restore_result import RestoreResult
from flows.rollback import RollbackResult, rollback
from flows.running.run import Run
from flows.running.threads import ThreadRunner
from flows.verify import VerifyResult, verify
from tests.reference_system import ReferenceEdms


def run_backup(settings: Settings, runner: ThreadRunner | None = None, **options: Any) -> BackupResult:
    return backup.fn(Run(settings, runner or ThreadRunner()), BackupRequest(**options))


def run_verify(settings: Settings, **options: Any) -> VerifyResult:
    return verify.fn(Run(settings), VerifyRequest(**options))


def run_restore(
    settings: Settings,
    runner: ThreadRunner | None = None,
    before_validation: BeforeValidation | None = None,
    **options: Any,
) -> RestoreResult:
    """A restore that is confirmed; `before_validation` is handed the staging database and folders, to damage them."""
    run, request = Run(settings, runner or ThreadRunner()), RestoreRequest(**{"confirm": True} | options)
    if before_validation is None:
        return restore.fn(run, request)
    return restore_snapshot(run, request, before_validation)


def run_restore_plan(settings: Settings, **options: Any) -> RestorePlan:
    return plan_restore.fn(Run(settings), RestorePlanRequest(**options))


def run_merge(settings: Settings, runner: ThreadRunner | None = None, **options: Any) -> MergeResult:
    """A merge that is confirmed."""
    return merge.fn(
        Run(settings, runner or ThreadRunner()), MergeRequest(**{"confirm": True, "dry_run": False} | options)
    )


def run_diff(settings: Settings, **options: Any) -> DiffResult:
    return diff.fn(Run(settings), DiffRequest(**options))


def run_rollback(settings: Settings, **options: Any) -> RollbackResult:
    return rollback.fn(Run(settings), RollbackRequest(confirm=True, **options))


def run_doctor(settings: Settings) -> Examined:
    return doctor.fn(Run(settings), DoctorRequest())


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
        return run_backup(self.settings, tag=tag, **options)

    def restore(self, snapshot: str = "latest", **options: Any) -> RestoreResult:
        return run_restore(self.settings, snapshot=snapshot, **options)

    def verify(self, snapshot: str | None = None) -> VerifyResult:
        return run_verify(self.settings, snapshot=snapshot)

    def rollback(self, stamp: str | None = None) -> RollbackResult:
        return run_rollback(self.settings, stamp=stamp)


def encrypt(protected: Protected) -> Protected:
    """Make the repository an encrypted one, before its first backup; its keys are beside the settings file."""
    folder = protected.config.parent
    settings = RepositorySettings(
        url=str(protected.repository), write_key=folder / "write-key", identity=folder / "recovery-key"
    )
    make_encrypted(settings, "test")
    document = tomlkit.parse(protected.config.read_text(encoding="utf-8"))
    document["repository"]["write_key"] = str(settings.write_key)  # type: ignore[index]
    document["repository"]["identity"] = str(settings.identity)  # type: ignore[index]
    protected.config.write_text(tomlkit.dumps(document), encoding="utf-8")
    return protected


def protect(edms: ReferenceEdms, folder: Path, *, top: str = "", extra: str = "") -> Protected:
    """Settings for an installation; `top` is TOML for before, `extra` for after the sections it writes."""
    config = edms.settings_file(folder / "edms-backup.toml", folder / "repository", extra=extra)
    if top:
        config.write_text(f"{top}\n{config.read_text(encoding='utf-8')}", encoding="utf-8")
    return Protected(edms, config, folder / "repository")
