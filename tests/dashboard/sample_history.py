"""Three months of two EDMSs, invented, for tests and for the picture in the documentation."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from edms_tasks.repository.growth import growth_of
from flows.dashboard.figures import (
    Dashboard,
    OpenFinding,
    RepositoryFigures,
    RunFigures,
    SnapshotFigures,
    SystemFigures,
)
from flows.status import Status

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
REPOSITORY = "r" * 32
HOSTILE = "</script><script>window.broken = 1</script>"


def sample_history(days: int = 90) -> Dashboard:
    """Nightly backups and verifications, weekly drills, one restore; a few of them failed."""
    dice = random.Random(1)
    runs: list[RunFigures] = []
    made: list[SnapshotFigures] = []
    for edms, scale in (("plant", 1.0), ("office", 0.3)):
        rows, files = int(9_000_000 * scale), int(800_000 * scale)
        for ago in range(days, -1, -1):
            at = NOW - timedelta(days=ago, hours=10, minutes=dice.randint(0, 4))
            rows, files = rows + dice.randint(0, 9000), files + dice.randint(0, 900)
            good, snapshot = dice.random() > 0.03, f"{dice.getrandbits(256):064x}"
            runs.append(
                _run(len(runs), at, "backup", edms, good, snapshot, 600 * scale + 90 * dice.random(), rows, files)
            )
            runs.append(_run(len(runs), at + timedelta(hours=2), "verify", edms, True, "", 300 * scale))
            if good:
                new = int(dice.lognormvariate(18.6, 0.5) * scale)
                made.append(
                    SnapshotFigures(
                        REPOSITORY,
                        snapshot,
                        edms,
                        at,
                        rows,
                        files,
                        int(38e9 * scale),
                        new,
                        0,
                        (),
                        False,
                        {"warning": 3},
                    )
                )
            if ago % 7 == 0:
                passed, took = dice.random() > 0.1, 2300 * scale + 900 * dice.random()
                runs.append(_run(len(runs), at + timedelta(hours=4), "drill", edms, passed, snapshot, took, rto=took))
    runs.append(_run(len(runs), NOW - timedelta(days=min(12, days)), "restore", "plant", True, made[-1].id, 1900.0))
    snapshots, total = [], 40_000_000_000
    for one in sorted(made, key=lambda one: one.at):
        total += one.new
        snapshots.append(SnapshotFigures(**{**vars(one), "total": total}))
    growth = growth_of([(one.at, one.total) for one in snapshots], 400_000_000_000)
    together = sum(one.bytes for one in snapshots)
    return Dashboard(
        made=NOW,
        systems=(_system("plant"), _system("office", "No restore has proved a snapshot for 35 days.")),
        repositories=(
            RepositoryFigures(
                REPOSITORY, "s3://backups/edms", True, len(snapshots), total, together, 400_000_000_000, growth, ()
            ),
        ),
        runs=tuple(sorted(runs, key=lambda run: run.at)),
        snapshots=tuple(snapshots),
        findings=(
            OpenFinding("plant", "error", "files-outside", "documents.Document.file", "Rows name files elsewhere.", 12),
            OpenFinding("office", "warning", "dangling-reference", "audit.AuditTrail.content_object", HOSTILE, 88),
        ),
    )


def _run(
    number: int,
    at: datetime,
    event: str,
    edms: str,
    good: bool,
    snapshot: str,
    seconds: float,
    rows: int | None = None,
    files: int | None = None,
    rto: float | None = None,
) -> RunFigures:
    what = "" if good else f"The {event} failed. {HOSTILE}"
    outcome = "success" if good else "failed"
    why = "TICKET-7" if event == "restore" else ""
    who = "anna" if event == "restore" else ""
    shown = snapshot if good else ""
    report = "a" * 64 if event == "restore" else ""
    return RunFigures(
        REPOSITORY, number, at, event, outcome, edms, shown, seconds, rows, files, 7, rto, None, "backup on host-1", why,
        what, who, report,
    )  # fmt: skip


def _system(name: str, *problems: str) -> SystemFigures:
    created = NOW - timedelta(hours=10)
    status = Status("s3://backups/edms", "f" * 64, created, True, None, 90, problems, NOW, NOW - timedelta(days=1))
    return SystemFigures(name, name, REPOSITORY, status, "", 3600.0, 90_000.0)
