"""A run's temporary folder: gone afterwards, cleared away after a kill, never taken from a run that lives."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edms_tasks.scratch.run_folder import kept_folder, run_folder

_HOLD = """
import sys
from pathlib import Path
from edms_tasks.scratch.run_folder import run_folder
with run_folder(Path(sys.argv[1]), "verify") as folder:
    (folder / "half").write_text("written")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_is_removed_after_a_failed_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path / "work", "verify") as folder:
        (folder / "file").write_text("something")
        raise ZeroDivisionError

    assert list((tmp_path / "work").iterdir()) == []


def test_the_next_run_removes_the_folder_of_a_killed_run_and_leaves_that_of_a_living_one(tmp_path: Path) -> None:
    killed, living = _holder(tmp_path), _holder(tmp_path)
    killed_folder, living_folder = _folder_of(killed), _folder_of(living)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (killed_folder / "half").exists()

    with run_folder(tmp_path, "verify"):
        assert not killed_folder.exists()
        assert (living_folder / "half").read_text() == "written"

    living.communicate("")
    assert living.returncode == 0 and not living_folder.exists()


def test_runs_that_begin_at_the_same_time_do_not_remove_each_others_folders(tmp_path: Path) -> None:
    def run(number: int) -> str:
        with run_folder(tmp_path, "verify") as folder:
            (folder / "half").write_text(str(number))
            return (folder / "half").read_text()

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(run, range(400))) == [str(number) for number in range(400)]
    assert list(tmp_path.iterdir()) == []


def test_the_evidence_of_a_restore_stays_while_it_is_written_and_when_it_is_complete(tmp_path: Path) -> None:
    """As of a drill that begins while a restore is validated, with the same folder of reports."""
    with kept_folder(tmp_path, "restore", complete="recovery.json") as killed:
        (killed / "data_docs").mkdir()
    with kept_folder(tmp_path, "restore", complete="recovery.json") as under_way:
        assert not killed.exists()
        with kept_folder(tmp_path, "restore", complete="recovery.json") as drill:
            assert under_way.is_dir()
            (drill / "recovery.json").write_text("{}")
        (under_way / "recovery.json").write_text("{}")
    with kept_folder(tmp_path, "restore", complete="recovery.json"):
        assert under_way.is_dir() and drill.is_dir()


def test_the_folder_of_another_purpose_is_left(tmp_path: Path) -> None:
    other = tmp_path / "backup-x"
    other.mkdir()

    with run_folder(tmp_path, "verify"):
        pass

    assert other.exists()


def _holder(workdir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(workdir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())
