"""The database beside pg_dump and pg_restore, alternately: time, stored bytes, memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, against
from benchmarks.installation import Site
from benchmarks.measured import Measured
from benchmarks.ours import Backup, Protected, Restore
from benchmarks.peers import pg_dump, pg_dump_directory, pg_dump_zstd, pg_restore
from tests.reference_system import ReferenceEdms

_ARCHIVE, _DIRECTORY = "peer.dump", "peer.dumps"
_BACKUP = "backup, database part"
_RESTORE = "restore: stage, load, indexes, constraints"
_MANY = 10_000_000  # rows
_MEMORY_LIMITS = ((1_000_000, 500e6), (10_000_000, 550e6))  # up to so many rows (and a little more), so many bytes


@dataclass
class DatabaseRuns:
    """The runs over one EDMS; those of the peers are empty where the engine has none."""

    backups: list[Backup] = field(default_factory=list)
    restores: list[Restore] = field(default_factory=list)
    dumps: list[Measured] = field(default_factory=list)  # pg_dump -Fc
    dump_bytes: int = 0
    piped_dumps: list[Measured] = field(default_factory=list)  # pg_dump | zstd -1
    directory_dumps: list[Measured] = field(default_factory=list)  # pg_dump -Fd -j2 -Z1
    pg_restores: list[Measured] = field(default_factory=list)  # of the first
    directory_restores: list[Measured] = field(default_factory=list)  # of the last

    @property
    def rows(self) -> int:
        """Rows in the EDMS."""
        return self.backups[0].rows


def run_database(site: Site, edms: ReferenceEdms, pairs: int) -> DatabaseRuns:
    """Back up and restore the EDMS `pairs` times, each time beside the peers; nothing of it is left."""
    runs = DatabaseRuns()
    for _ in range(pairs):
        protected = Protected(edms, site.folder / "ours")
        site.settle()
        runs.backups.append(protected.backup())
        if site.server is not None:
            _dump(site, edms.database_url, runs)
        site.settle()
        restored = site.place_for("ours_restored")
        runs.restores.append(protected.restore(runs.backups[-1], restored))
        site.remove(restored)
        protected.forget()
        if site.server is not None:
            runs.pg_restores.append(_restored(site, site.folder / _ARCHIVE))
            runs.directory_restores.append(_restored(site, site.folder / _DIRECTORY))
    return runs


def _dump(site: Site, url: str, runs: DatabaseRuns) -> None:
    """Dump with each peer; archive and directory stay for `_restored`."""
    archive, directory, piped = (site.folder / name for name in (_ARCHIVE, _DIRECTORY, "peer.sql.zst"))
    site.settle()
    runs.dumps.append(pg_dump(url, archive))
    runs.dump_bytes = archive.stat().st_size
    site.settle()
    runs.piped_dumps.append(pg_dump_zstd(url, piped))
    piped.unlink()
    site.settle()
    runs.directory_dumps.append(pg_dump_directory(url, directory))


def _restored(site: Site, dump: Path) -> Measured:
    """Restore a dump with the peer, and remove both."""
    assert site.server is not None  # only PostgreSQL has such peers
    empty = site.server.create_database("peer_restored")
    site.settle()
    measured = pg_restore(dump, empty)
    site.remove("peer_restored")
    if dump.is_dir():
        shutil.rmtree(dump)
    else:
        dump.unlink()
    return measured


def lines_against_pg(runs: DatabaseRuns) -> Iterator[Figure]:
    """Lines 1 to 4 and the memory of both commands."""
    backup, restore = runs.backups[-1].seconds, runs.restores[-1].seconds
    rows = runs.rows
    ours = median(run.database_seconds for run in runs.backups)
    verified = median(run.verified_seconds for run in runs.backups)
    usual = _seconds(runs.dumps)
    yield against(f"{_BACKUP} / pg_dump -Fc", "seconds", ours, usual, 0.5, rows=rows, seconds=backup)
    yield against("the same with its own verification / pg_dump -Fc", "seconds", verified, usual, 0.6, rows=rows)
    faster = {"pg_dump | zstd -1": runs.piped_dumps, "pg_dump -Fd -j2 -Z1": runs.directory_dumps}
    fastest = min(faster, key=lambda name: _seconds(faster[name]))
    for name, dumps in faster.items():
        wanted = 1.5 if name == fastest else None
        yield against(f"{_BACKUP} / {name}", "seconds", ours, _seconds(dumps), wanted, rows=rows)
    yield against(
        "stored tables and schema / pg_dump -Fc",
        "bytes",
        runs.backups[-1].table_bytes,
        runs.dump_bytes,
        0.85,
        rows=rows,
    )
    restored = median(run.restored_seconds for run in runs.restores)
    proved = median(run.proved_seconds for run in runs.restores)
    usual = _seconds(runs.pg_restores)
    yield against(f"{_RESTORE} / pg_restore -j2", "seconds", restored, usual, 1.0, rows=rows, seconds=restore)
    of_directory = f"{_RESTORE} / pg_restore -j2 of a directory"
    yield against(of_directory, "seconds", restored, _seconds(runs.directory_restores), None, rows=rows)
    yield against(
        "restore with full validation and handover / pg_restore -j2", "seconds",
        proved, usual, 1.6 if rows < _MANY else 1.4, rows=rows,
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
