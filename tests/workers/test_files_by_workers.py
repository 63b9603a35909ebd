"""Files of folders are stored by workers that see the folder, and by the coordinator where they do not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchmarks.file_contents import FileMaker
from flows.running.threads import ThreadRunner
from tests.reference_system import EdmsTemplates, LazyPostgres
from tests.running import run_backup, run_restore
from tests.workers.system_on_dask import SystemOnDask, content, system_on_dask

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("edms_asked_once")]

FILES = 4_100


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> Iterator[SystemOnDask]:
    folder = tmp_path_factory.mktemp("files")
    url = str(folder / "repository")
    with system_on_dask(_edms_templates, folder, "with_files", documents=5, url=url, options={}, workers=2) as made:
        FileMaker(seed=1).write(
            made.edms.media / "many" / f"{number // 50:04d}" / f"{number:06d}.bin" for number in range(FILES)
        )
        yield made
    _lazy_postgres.server.drop_databases("with_files")


class Heard(ThreadRunner):
    """Keeps what it was to say."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def without_repository(system: SystemOnDask) -> None:
    shutil.rmtree(system.settings.repository.url, ignore_errors=True)


def test_files_stored_by_workers_are_those_stored_here(system: SystemOnDask) -> None:
    without_repository(system)
    alone = run_backup(system.on_threads, create_repository=True)
    without_repository(system)
    heard = Heard()

    made = run_backup(system.settings, heard, create_repository=True)

    assert made.verified
    assert content(made.manifest) == content(alone.manifest)
    assert sum(index.files for index in made.manifest.files) > FILES
    sizes, sizes_alone = ([sum(index.pack_bytes.values()) for index in one.manifest.files] for one in (made, alone))
    assert sizes == sizes_alone  # each content once
    assert not [line for line in heard.said if "on this machine" in line]
    assert run_restore(system.settings, snapshot=made.snapshot_id).verdict == "proved"


def test_files_that_a_worker_does_not_see_are_stored_here_and_that_is_said(system: SystemOnDask) -> None:
    """The only worker has another file system over the folder, as on another machine."""
    without_repository(system)
    alone = run_backup(system.on_threads, create_repository=True)
    without_repository(system)
    for process in system.cluster.processes:
        process.kill()
        process.wait()
    media = system.edms.media
    covered = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{media}" && exec "$@"', "sh"]
    system.cluster.start_worker(system.config, system.with_password, before=covered)
    system.cluster.wait_for(1)
    heard = Heard()

    made = run_backup(system.settings, heard, create_repository=True)

    assert made.verified
    assert content(made.manifest) == content(alone.manifest)
    files = sum(index.files for index in made.manifest.files)
    said = f"files of media: {files:,} are read on this machine, because workers do not see them in {media} as they were listed."
    assert said in heard.said
    assert not [found for found in made.manifest.findings if found.code in ("file-vanished", "file-unreadable")]
