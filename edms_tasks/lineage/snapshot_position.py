"""The position of a new snapshot among its EDMS's, and problems with the earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import EdmsIdentity, Finding
from edms_tasks.lineage.owner import KnownEdms, changed_names
from edms_tasks.lineage.reopen_repository import Reopened
from edms_tasks.lineage.snapshot_history import SnapshotHistory, description_of, history_of
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository

_SHOWN = 3
_LEEWAY = timedelta(seconds=1)


@dataclass(frozen=True)
class SnapshotPlace:
    """The keys of a new manifest that give it its position after the earlier snapshots."""

    identity: EdmsIdentity
    previous: str | None
    number: int | None
    aside: tuple[str, ...] = ()
    # the newest existing snapshot: what is unchanged since is not stored again
    base: tuple[str, Manifest] | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def place_apart(this_edms: KnownEdms) -> SnapshotPlace:
    """The position of a snapshot that is converted from an old backup: in no order with the backups."""
    assert this_edms.identity is not None  # it was inspected
    return SnapshotPlace(this_edms.identity, previous=None, number=None)


def place_of(repository: Repository, this_edms: KnownEdms, reopened: Reopened) -> SnapshotPlace:
    """Read all manifests and determine the position; only under the repository's lock."""
    assert this_edms.identity is not None  # a backup inspects the EDMS
    here = reopened.witness.mark if reopened.witness is not None else None
    history = history_of(repository, this_edms, here)
    previous, number = history.next_mark
    newest = history.newest
    manifest = history.survey.intact.get(newest) if newest is not None else None
    # A backup reports a wrong clock of the newest snapshot only; `list` and `verify` report earlier ones.
    old = {later[:12] for later, _ in history.chain.backwards} - {(newest or "")[:12]}
    findings = [one for one in history.findings() if not (one.code == "clock-set-back" and one.subject in old)]
    return SnapshotPlace(
        identity=this_edms.identity,
        previous=previous,
        number=number,
        aside=tuple(one for one in history.chain.heads if one != newest),
        base=(newest, manifest) if newest is not None and manifest is not None else None,
        findings=(
            *_of_the_damaged(history),
            *reopened.findings,
            *findings,
            *_of_the_clock(newest, manifest),
            *_of_the_names(manifest, this_edms),
        ),
        notes=_of_others(history) if newest is None else (),
    )


def _of_the_damaged(history: SnapshotHistory) -> list[Finding]:
    return [
        make_finding(
            "snapshot-damaged",
            name[:12],
            f"The manifest of snapshot {name[:12]} is damaged, and it may be the newest of this EDMS. This backup does not follow it.",
        )
        for name in history.may_be_newest
    ]


def _of_the_clock(newest: str | None, manifest: Manifest | None) -> list[Finding]:
    now = datetime.now(UTC)
    if newest is None or manifest is None or manifest.created <= now + _LEEWAY:
        return []
    return [
        make_finding(
            "clock-set-back",
            newest[:12],
            f"The clock shows {now:%Y-%m-%d %H:%M:%S} UTC, but the previous snapshot, {newest[:12]}, has the later time "
            f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC. The order of the snapshots does not depend on it.",
        )
    ]


def _of_the_names(manifest: Manifest | None, this_edms: KnownEdms) -> list[Finding]:
    assert this_edms.identity is not None
    if (
        manifest is None
        or manifest.identity is None
        or not (changes := changed_names(manifest.identity, this_edms.identity))
    ):
        return []
    return [
        make_finding(
            "edms-moved",
            this_edms.identity.id,
            f"This EDMS has other names than at the previous backup: {changes}.",
        )
    ]


def _of_others(history: SnapshotHistory) -> tuple[str, ...]:
    others = list(history.others)
    if not others:
        return ()
    there = "; ".join(description_of(history, key) for key in others[:_SHOWN])
    return (
        f"This is the first snapshot of this EDMS in a repository that has others: {there}. If one of these is this EDMS with"
        ' earlier names, put its id into the settings: [edms] id = "…".',
    )
