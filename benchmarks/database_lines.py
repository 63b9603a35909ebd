"""The database beside pg_dump and pg_restore, in alternation: time, stored bytes, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.figures import Figure, against
from benchmarks.installation import Site
from benchmarks.measured import Measured
from benchmarks.ours import Backup, Protected, Restore
from benchmarks.peers import pg_dump, pg_restore
from tests.reference_system import ReferenceEdms

_PROOF_AT = 10_000_000
_MEMORY_LIMITS = ((1_000_000, 600e6), (10_000_000, 800e6))  # up to so many rows (and a little more), so many bytes


@dataclass
class DatabaseRuns:
    """The runs over one EDMS; those of the peers are empty where the engine has none."""

    backups: list[Backup] = field(default_factory=list)
    restores: list[Restore] = field(default_factory=list)
    dumps: list[Measured] = field(default_factory=list)
    dump_bytes: int = 0
    pg_restores: list[Measured] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows in the EDMS."""
        return self.backups[0].rows


def run_database(site: Site, edms: ReferenceEdms, pairs: int) -> DatabaseRuns:
    """Back up and restore the EDMS `pairs` times, each time beside the peers; nothing of it is left."""
    runs = DatabaseRuns()
    dump = site.folder / "peer.dump"
    for _ in range(pairs):
        protected = Protected(edms, site.folder / "ours")
        site.settle()
        runs.backups.append(protected.backup())
        if site.server is not None:
            site.settle()
            runs.dumps.append(pg_dump(edms.database_url, dump))
            runs.dump_bytes = dump.stat().st_size
        site.settle()
        restored = site.place_for("ours_restored")
        runs.restores.append(protected.restore(runs.backups[-1], restored))
        site.remove(restored)
        protected.forget()
        if site.server is not None:
            empty = site.server.create_database("peer_restored")
            site.settle()
            runs.pg_restores.append(pg_restore(dump, empty))
            site.remove("peer_restored")
            dump.unlink()
    return runs


def lines_against_pg(runs: DatabaseRuns) -> Iterator[Figure]:
    """Lines 1 to 4 and the memory of both commands."""
    dump, restored = _seconds(runs.dumps), _seconds(runs.pg_restores)
    backup, restore = runs.backups[-1].seconds, runs.restores[-1].seconds
    rows = runs.rows
    yield against(
        "backup, database part / pg_dump -Fc", "seconds",
        median(run.database_seconds for run in runs.backups), dump, 0.5, rows=rows, seconds=backup,
    )  # fmt: skip
    yield against(
        "the same with its own verification / pg_dump -Fc", "seconds",
        median(run.verified_seconds for run in runs.backups), dump, None, rows=rows,
    )  # fmt: skip
    yield against(
        "stored tables and schema / pg_dump -Fc", "bytes", runs.backups[-1].table_bytes, runs.dump_bytes, 0.9, rows=rows
    )
    yield against(
        "restore: stage, load, indexes, constraints / pg_restore -j2", "seconds",
        median(run.restored_seconds for run in runs.restores), restored, 1.0, rows=rows, seconds=restore,
    )  # fmt: skip
    yield against(
        "restore with full validation and handover / pg_restore -j2", "seconds",
        median(run.proved_seconds for run in runs.restores), restored, 2.0, rows=rows,
        note="" if rows >= _PROOF_AT else f"The target for a restore with validation is set for {_PROOF_AT:,} rows.",
    )  # fmt: skip
    limit = next((limit for size, limit in _MEMORY_LIMITS if rows < size * 1.1), _MEMORY_LIMITS[-1][1])
    for verb, peak in (
        ("backup", max(run.whole.peak_bytes for run in runs.backups)),
        ("restore", max(run.whole.peak_bytes for run in runs.restores)),
    ):
        yield against(
            f"peak memory of a {verb}, all processes / {limit / 1e6:.0f} MB", "bytes", peak, limit, 1.0, rows=rows
        )


def _seconds(runs: Sequence[Measured]) -> float:
    return median(run.seconds for run in runs)
