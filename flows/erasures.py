"""Record erasures, and list them with the snapshots that are older: these may still hold what was erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.erasure.erasure_plan import plan_erasure
from edms_tasks.erasure.ledger import Erased, Erasure, read_ledger, record_erasure, require_encrypted
from edms_tasks.erasure.row_search import count_rows
from edms_tasks.errors import CommandError
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.lineage.find_snapshot import chosen_snapshot, own_history, this_edms_of
from edms_tasks.lineage.snapshot_history import SnapshotHistory
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.records import whoever_runs_this
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.evidence.repository_log import LogFacts, append_entry
from flows.running.run import Run


@dataclass(frozen=True)
class ListedErasure:
    """An erasure, and when the snapshots that may hold what was erased were made."""

    erasure: Erasure
    older: tuple[datetime, ...]

    @property
    def still_in(self) -> str:
        """Where the erased data may still be, in a sentence."""
        if not self.older:
            return "No snapshot was made before it. Later ones hold the row only if it was not erased in the EDMS."
        count = f"{len(self.older):,} {'snapshot' if len(self.older) == 1 else 'snapshots'}"
        return (
            f"May still be in {count}, the newest of {max(self.older):%Y-%m-%d %H:%M} UTC, until `prune` removes them."
        )

    def as_json(self) -> dict[str, Any]:
        """For `--json`: the row is not named."""
        return {
            "id": self.erasure.id,
            "at": self.erasure.at.isoformat(),
            "by": self.erasure.by,
            "reason": self.erasure.reason,
            "model": self.erasure.erased.label,
            "columns": dict(self.erasure.erased.columns),
            "older_snapshots": len(self.older),
            "newest_older_snapshot": max(self.older).isoformat() if self.older else None,
        }


@dataclass(frozen=True)
class ListedErasures:
    """The ledger of an EDMS."""

    lines: tuple[ListedErasure, ...]
    doubts: tuple[str, ...]


def record(settings: Settings, row: str, columns: Sequence[str], *, reason: str, by: str | None) -> tuple[str, Erased]:
    """Record an erasure; returns its id and what it says.

    Raises:
        CommandError, SettingsError: the row or a column is not named rightly, or the repository is not encrypted.
        RepositorySealed: this machine may not sign records, or cannot read the newest snapshot.
    """
    if not reason.strip():
        raise CommandError("An erasure needs a reason, such as the number of the request.", where="--reason")
    repository = Repository.open(settings.repository)
    require_encrypted(repository)
    report = run_probe(settings)
    manifest = chosen_snapshot(settings, repository, "latest", report).manifest
    own = this_edms_of(settings, repository, report).id or (manifest.identity.id if manifest.identity else None)
    assert own is not None  # the EDMS was inspected
    erased = plan_erasure(manifest, report, own, row, columns)
    if not _is_somewhere(settings, repository, erased):
        raise CommandError(
            "No snapshot has such a row, so no restore can bring it back.",
            where=erased.label,
            why="The key is compared with the rows of all snapshots of this EDMS, as text and in the same case.",
            fix="Check the key: `edms-backup diff` shows how keys are written. Or name the row as MODEL:COLUMN=VALUE.",
        )
    made = record_erasure(repository, settings.workdir, erased, reason=reason, by=by or whoever_runs_this())
    append_entry(
        repository, settings, "erase", "success", LogFacts(True, facts={"erasure": made[:12], "model": erased.label})
    )
    return made, erased


def _is_somewhere(settings: Settings, repository: Repository, erased: Erased) -> bool:
    """Whether a snapshot of the EDMS has the row; the newest is looked at first."""
    run = Run(settings)
    manifests = sorted(_own_manifests(own_history(settings, repository)), key=lambda one: one.created, reverse=True)
    with run_folder(settings.workdir, "erase") as folder, run.workspace(folder / "workspace") as workspace:
        for number, manifest in enumerate(manifests):
            for entry in manifest.tables:
                if entry.table.id == erased.table:
                    with workspace.cursor() as cursor:
                        if count_rows(cursor, repository, entry, erased.row, folder / f"{number:04d}"):
                            return True
    return False


def _own_manifests(history: SnapshotHistory) -> list[Manifest]:
    return [
        manifest for name, manifest in history.survey.intact.items() if history.key in (None, history.owner.get(name))
    ]


def listed(settings: Settings) -> ListedErasures:
    """The erasures of the EDMS that the settings describe."""
    repository = Repository.open(settings.repository)
    history = own_history(settings, repository)
    manifests = _own_manifests(history)
    ids = {one.identity.id for one in manifests if one.identity is not None}
    own = this_edms_of(settings, repository).id
    ledger = read_ledger(repository, settings.workdir, sorted(ids | ({own} if own else set())))
    return ListedErasures(
        tuple(
            ListedErasure(one, tuple(found.created for found in manifests if one.may_be_in(found)))
            for one in ledger.erasures
        ),
        (*ledger.doubts, *(f"Erasure {one} is in the log, and not in the ledger: it is lost." for one in ledger.lost)),
    )
