"""Record erasures, and list them with the snapshots that are older: these may still hold what was erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from edms_tasks.erasure.erasure_plan import plan_erasure
from edms_tasks.erasure.ledger import Erased, Erasure, Ledger, read_ledger, record_erasure, require_encrypted
from edms_tasks.erasure.row_search import find_rows
from edms_tasks.errors import CommandError
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.lineage.find_snapshot import chosen_snapshot, own_history, this_edms_of
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
    withdrawn: bool = False

    @property
    def still_in(self) -> str:
        """Where the erased data may still be, in a sentence."""
        if self.withdrawn:
            return "Withdrawn: no restore applies it any more."
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
            "withdrawn": self.withdrawn,
            "older_snapshots": len(self.older),
            "newest_older_snapshot": max(self.older).isoformat() if self.older else None,
        }


@dataclass(frozen=True)
class ListedErasures:
    """The ledger of an EDMS."""

    lines: tuple[ListedErasure, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class RecordedErasure:
    """An erasure that was recorded.

    Args:
        id: its id.
        erased: what it says.
        rows: how many rows it is about, in the newest snapshot that has one.
        renamed: times of snapshots in which a row with the same primary key has another key: the same one before it was renamed.
    """

    id: str
    erased: Erased
    rows: int
    renamed: tuple[datetime, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What it does not reach."""
        if not self.renamed:
            return ()
        return (
            f"{len(self.renamed)} snapshots, the newest of {max(self.renamed):%Y-%m-%d %H:%M} UTC, have a row with the same primary key "
            f"and another key. If it is the same one before it was renamed, erase it by its primary key, too: "
            f"{', '.join(f'{self.erased.label}:{one}' for one in self.keys)}.",
        )


def record(
    settings: Settings, row: str, columns: Sequence[str], *, reason: str, by: str | None, several: bool = False
) -> RecordedErasure:
    """Record an erasure. `several`: it may be about more than one row.

    Raises:
        CommandError, SettingsError: the row or a column is not named rightly, or the repository is not encrypted.
        RepositorySealed: this machine may not sign records, or cannot read the newest snapshot.
    """
    _require_reason(reason)
    repository = Repository.open(settings.repository)
    require_encrypted(repository)
    report = run_probe(settings)
    manifest = chosen_snapshot(settings, repository, "latest", report).manifest
    own = this_edms_of(settings, repository, report).id or (manifest.identity.id if manifest.identity else None)
    assert own is not None  # the EDMS was inspected
    erased = plan_erasure(manifest, report, own, row, columns)
    found = _searched(settings, repository, erased)
    if not found.rows:
        raise CommandError(
            "No snapshot has such a row, so no restore can bring it back.",
            where=erased.label,
            why="The key is compared with the rows of all snapshots of this EDMS, as text and in the same case.",
            fix="Check the key: `edms-backup diff` shows how keys are written. Or name the row as MODEL:COLUMN=VALUE.",
        )
    if found.rows > 1 and not several:
        raise CommandError(
            f"{found.rows:,} rows of {erased.label} have this value.",
            where=row,
            why="Every restore of an earlier snapshot would leave all of them out.",
            fix="If that is meant, run it again with --several. Otherwise name one row.",
        )
    return replace(found, id=_add(settings, repository, erased, reason=reason, by=by))


def withdraw(settings: Settings, erasure: str, *, reason: str, by: str | None) -> str:
    """Withdraw an erasure, so that it is not applied any more; returns its id. The entry stays in the ledger.

    Raises:
        CommandError: there is no such erasure, or it was withdrawn before.
    """
    _require_reason(reason)
    repository = Repository.open(settings.repository)
    require_encrypted(repository)
    found = _ledger(settings, repository, _own_manifests(settings, repository))
    chosen = [one for one in found.erasures if one.id.startswith(erasure)]
    if len(chosen) != 1 or chosen[0].id in found.withdrawn:
        raise CommandError(
            "There is no such erasure." if len(chosen) != 1 else "This erasure was withdrawn before.",
            where=erasure,
            fix="`edms-backup erasures` lists them.",
        )
    one = chosen[0]
    said = Erased(edms=one.erased.edms, table=one.erased.table, label=one.erased.label, row={}, withdraws=one.id)
    _add(settings, repository, said, reason=reason, by=by)
    return one.id


def _add(settings: Settings, repository: Repository, erased: Erased, *, reason: str, by: str | None) -> str:
    """Put an entry into the ledger, and one without the row into the log; returns its id."""
    made = record_erasure(repository, settings.workdir, erased, reason=reason, by=by or whoever_runs_this())
    facts = {"erasure": made[:12], "model": erased.label}
    if erased.withdraws:
        facts["withdraws"] = erased.withdraws[:12]
    append_entry(repository, settings, "erase", "success", LogFacts(True, facts=facts))
    return made


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise CommandError("An erasure needs a reason, such as the number of the request.", where="--reason")


def _searched(settings: Settings, repository: Repository, erased: Erased) -> RecordedErasure:
    """The rows in the EDMS's snapshots that an erasure is about. All are searched, the newest first."""
    run = Run(settings)
    manifests = sorted(_own_manifests(settings, repository), key=lambda one: one.created, reverse=True)
    rows, keys, column, renamed = 0, frozenset[str](), "", []
    with run_folder(settings.workdir, "erase") as folder, run.workspace(folder / "workspace") as workspace:
        for number, manifest in enumerate(manifests):
            for entry in manifest.tables:
                if entry.table.id != erased.table:
                    continue
                with workspace.cursor() as cursor:
                    found = find_rows(cursor, repository, entry, erased.row, folder / f"{number:04d}", sorted(keys))
                rows, keys = rows or found.rows, keys | found.keys
                column = next(iter(entry.table.primary_key), "")
                if found.others:
                    renamed.append(manifest.created)
    shown = tuple(f"{column}={key}" for key in sorted(keys))
    return RecordedErasure("", erased, rows, tuple(renamed), shown)


def _own_manifests(settings: Settings, repository: Repository) -> list[Manifest]:
    """The EDMS's snapshots, also those that were converted from its old backups."""
    history = own_history(settings, repository)
    converted = {*history.converted}
    return [
        manifest
        for name, manifest in history.survey.intact.items()
        if history.key in (None, history.owner.get(name)) or name in converted
    ]


def listed(settings: Settings) -> ListedErasures:
    """The erasures of the EDMS that the settings describe."""
    repository = Repository.open(settings.repository)
    manifests = _own_manifests(settings, repository)
    ledger = _ledger(settings, repository, manifests)
    return ListedErasures(
        tuple(
            ListedErasure(
                one, tuple(found.created for found in manifests if one.may_be_in(found)), one.id in ledger.withdrawn
            )
            for one in ledger.erasures
        ),
        (*ledger.doubts, *(f"Erasure {one} is in the log, and not in the ledger: it is lost." for one in ledger.lost)),
    )


def _ledger(settings: Settings, repository: Repository, manifests: Sequence[Manifest]) -> Ledger:
    ids = {one.identity.id for one in manifests if one.identity is not None}
    own = this_edms_of(settings, repository).id
    return read_ledger(repository, settings.workdir, sorted(ids | ({own} if own else set())))
