"""A backup and a restore whose workers are killed one after another: the result is that of threads."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import Client

from benchmarks.multiply import multiply
from tests.independent_comparison import picture
from tests.reference_system import EdmsTemplates, LazyPostgres
from tests.running import run_backup, run_restore
from tests.workers.system_on_dask import SystemOnDask, content, system_on_dask

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ROWS = 100_000
MOST = 3  # Dask gives up a task that lost four workers


@contextmanager
def killing_workers(system: SystemOnDask, seconds: float) -> Iterator[list[int]]:
    """Every few seconds, if two workers are there, kill the older one and start a new one, three times; yields the killed."""
    killed: list[int] = []
    over = threading.Event()
    living = list(system.cluster.processes)

    def kill() -> None:
        with Client(system.cluster.address, set_as_default=False) as client:
            while len(killed) < MOST and not over.wait(seconds):
                if len(client.nthreads()) < 2:
                    continue
                oldest = living.pop(0)
                oldest.send_signal(signal.SIGKILL)
                oldest.wait()
                killed.append(oldest.pid)
                living.append(system.cluster.start_worker(system.config, system.with_password))

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_workers_that_are_killed_one_after_another_change_nothing(
    tmp_path: Path, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> None:
    with system_on_dask(
        _edms_templates,
        tmp_path,
        "of_the_killed",
        documents=20,
        url=str(tmp_path / "repository"),
        options={},
        workers=2,
    ) as system:
        multiply(system.edms.database_url, ROWS)
        before = picture(system.edms)
        with killing_workers(system, 2) as killed:
            made = run_backup(system.settings, create_repository=True)
        killed_in_backup = len(killed)
        expected = content(run_backup(system.on_threads).manifest)
        with killing_workers(system, 2) as killed:
            restored = run_restore(system.settings, snapshot=made.snapshot_id)
        after = picture(system.edms)
    _lazy_postgres.server.drop_databases("of_the_killed")
    assert killed_in_backup and killed
    assert made.verified and made.manifest.rows >= ROWS
    assert content(made.manifest) == expected
    assert restored.verdict == "proved"
    assert after == before
