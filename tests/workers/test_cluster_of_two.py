"""Backups and restores on a real Dask cluster: the result is that of threads, and a worker that is not fit is named before any work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edms_tasks.errors import DatabaseRefused, WorkersDiffer
from tests.independent_comparison import picture
from tests.prefect_server import ROOT, PrefectHomes, prefect_server
from tests.reference_system import EdmsTemplates, LazyPostgres
from tests.running import run_backup, run_restore, run_verify
from tests.stores.s3_places import new_bucket
from tests.stores.swift_server import S3Account
from tests.workers.system_on_dask import SystemOnDask, content, system_on_dask

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("edms_asked_once")]


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory,
    _edms_templates: EdmsTemplates,
    _lazy_postgres: LazyPostgres,
    s3_account: S3Account,
) -> Iterator[SystemOnDask]:
    folder, url = tmp_path_factory.mktemp("workers"), f"s3://{new_bucket(s3_account)}/edms"
    with system_on_dask(
        _edms_templates, folder, "on_dask", documents=20, url=url, options=s3_account.options, workers=2
    ) as made:
        run_backup(made.on_threads, create_repository=True)
        yield made
    _lazy_postgres.server.drop_databases("on_dask")


def killed_when(process_id: int, moment: Callable[[], bool]) -> threading.Thread:
    """Kill a process as soon as that is true, from a thread."""

    def wait_and_kill() -> None:
        until = time.monotonic() + 120
        while not moment() and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(process_id, signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def test_workers_make_the_snapshot_that_threads_make_and_a_restore_on_them_is_proved(system: SystemOnDask) -> None:
    before = picture(system.edms)
    threads = run_backup(system.on_threads)
    began = system.tasks_done()

    workers = run_backup(system.settings)
    backed_up = system.tasks_done()
    assert workers.verified
    assert content(workers.manifest) == content(threads.manifest)
    assert all(backed_up[one] > began[one] for one in began)  # both took part

    assert run_verify(system.settings).problems == ()
    verified = system.tasks_done()
    assert sum(verified.values()) > sum(backed_up.values())

    restored = run_restore(system.settings, snapshot=workers.snapshot_id)
    assert restored.verdict == "proved"
    assert sum(system.tasks_done().values()) >= sum(verified.values()) + 2 * len(workers.manifest.tables)
    assert picture(system.edms) == before
    assert not list((system.settings.scratch).glob("*-*"))  # nothing is left there


def test_a_worker_that_is_killed_in_the_middle_is_no_failure(system: SystemOnDask) -> None:
    extra = system.cluster.start_worker(system.config, system.with_password)
    system.cluster.wait_for(3)
    expected = content(run_backup(system.on_threads).manifest)
    killer = killed_when(extra.pid, lambda: any(system.settings.scratch.glob("backup-*/raw/*/*")))

    made = run_backup(system.settings)

    killer.join()
    assert extra.wait(10) == -signal.SIGKILL
    assert made.verified
    assert content(made.manifest) == expected


def test_a_worker_with_another_version_is_named_before_any_work(system: SystemOnDask, tmp_path: Path) -> None:
    (tmp_path / "Django-4.2.dist-info").mkdir()
    (tmp_path / "Django-4.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: Django\nVersion: 4.2\n")
    other = system.cluster.start_worker(system.config, {**system.with_password, "PYTHONPATH": str(tmp_path)})
    system.cluster.wait_for(3)
    try:
        with pytest.raises(WorkersDiffer, match=r"It has Django 4\.2, the coordinator 5\.") as caught:
            run_backup(system.settings)
        assert f"process {other.pid} on" in caught.value.where
    finally:
        other.kill()


def test_a_worker_with_another_repository_is_named(system: SystemOnDask, tmp_path: Path) -> None:
    variables = {**system.with_password, "EDMS_BACKUP__REPOSITORY__URL": str(tmp_path / "elsewhere")}
    other = system.cluster.start_worker(system.config, variables)
    system.cluster.wait_for(3)
    try:
        with pytest.raises(
            WorkersDiffer, match=r"Its settings name the repository .*/elsewhere, the coordinator's s3://"
        ):
            run_verify(system.settings)
    finally:
        other.kill()


def test_no_password_travels_to_a_worker(system: SystemOnDask) -> None:
    """A worker that has none of its own cannot log in, although the coordinator could."""
    other = system.cluster.start_worker(system.config)
    system.cluster.wait_for(3)
    try:
        with pytest.raises(DatabaseRefused, match="no password supplied"):
            run_backup(system.settings)
    finally:
        other.kill()


def test_a_worker_that_does_not_see_the_scratch_folder_is_named(system: SystemOnDask) -> None:
    """In a mount namespace of its own, where another file system covers the folder, as on another machine."""
    scratch = system.settings.scratch
    covered = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{scratch}" && exec "$@"', "sh"]
    other = system.cluster.start_worker(system.config, system.with_password, before=covered)
    system.cluster.wait_for(3)
    try:
        with pytest.raises(WorkersDiffer, match="It does not see the scratch folder"):
            run_backup(system.settings)
    finally:
        other.kill()
        other.wait()


def test_prefect_shows_the_task_runs_that_it_shows_of_threads(
    system: SystemOnDask, prefect_homes: PrefectHomes, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "flows.cli.app", "--config", str(system.config), "backup"]
    with prefect_server(prefect_homes(tmp_path / "prefect"), system.config) as server:
        shown = []
        for place in ("dask", "threads"):
            before = sum(system.tasks_done().values())
            env = {**server.env, "EDMS_BACKUP__RUN__ON": place}
            done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (sum(system.tasks_done().values()) > before) == (place == "dask")
            (run, *_) = server.ask("/flow_runs/filter", sort="START_TIME_DESC")
            tasks = server.ask("/task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}}, limit=200)
            shown.append(sorted((one["name"], one["state_type"], *sorted(one["tags"])) for one in tasks))
    assert ("extract documents.Document", "COMPLETED", "extract", "postgresql") in shown[0]
    assert shown[0] == shown[1]
