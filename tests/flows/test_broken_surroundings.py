"""Surroundings that do not work: what is wrong is said in words, never as a way the program does not know."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edms_tasks.durable import keep_private
from flows.cli.app import app
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory

SETTINGS = '[edms]\nproject = "."\nsettings = "none"\n[repository]\nurl = "repository"\n'


def _directory(folder: Path) -> None:
    (folder / "edms-backup.toml").mkdir()


def _latin(folder: Path) -> None:
    (folder / "edms-backup.toml").write_bytes(b'workdir = "\xe9"\n')


def _workdir_is_a_file(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "edms-backup.toml").write_text('workdir = "file"\n' + SETTINGS)


def _repository_is_a_file(folder: Path) -> None:
    (folder / "repository").touch()
    (folder / "edms-backup.toml").write_text(SETTINGS)


def _repository_below_proc(folder: Path) -> None:
    (folder / "edms-backup.toml").write_text(SETTINGS.replace('"repository"', '"/proc/none/repository"'))


def _workdir_below_proc(folder: Path) -> None:
    (folder / "edms-backup.toml").write_text('workdir = "/proc/none"\n' + SETTINGS)


def _python_is_a_folder(folder: Path) -> None:
    (folder / "edms-backup.toml").write_text(SETTINGS.replace("[repository]", 'python = "/tmp/"\n[repository]'))


def _python_is_not_executable(folder: Path) -> None:
    (folder / "python").touch()
    (folder / "edms-backup.toml").write_text(SETTINGS.replace("[repository]", 'python = "./python"\n[repository]'))


SURROUNDINGS = (
    _directory, _latin, _workdir_is_a_file, _repository_is_a_file, _repository_below_proc, _workdir_below_proc,
    _python_is_a_folder, _python_is_not_executable,
)  # fmt: skip


@pytest.mark.parametrize("break_it", SURROUNDINGS, ids=lambda function: function.__name__.strip("_"))
@pytest.mark.parametrize("command", ["backup", "verify", "list", "show latest", "restore latest --into x", "doctor"])
def test_each_problem_has_its_own_message(command: str, break_it: Callable[[Path], None], tmp_path: Path) -> None:
    break_it(tmp_path)
    flow = ["--no-flow"] if command.split()[0] in ("backup", "verify", "restore") else []

    told = _told(*command.split(), *flow, "--config", str(tmp_path / "edms-backup.toml"), "--json")

    assert told["error"] != "error", told
    assert told["what"] and told["cure"], told


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("EDMS_BACKUP__RESTORE__JOBZ", "2", "did you mean edms_backup__restore__jobs"),
        ("EDMS_BACKUP__RESTORE__JOBS", "many", "valid integer"),
        ("EDMS_BACKUP__REPOSITRY__URL", "/x", "edms_backup__repository"),
    ],
)
def test_a_mistyped_variable_is_named(
    name: str, value: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edms-backup.toml").write_text(SETTINGS)
    monkeypatch.setenv(name, value)

    told = _told("list", "--config", str(tmp_path / "edms-backup.toml"), "--json")

    assert name in told["what"] and name in told["where"]
    assert "edms-backup.toml" not in told["where"]
    assert why in f"{told['why']} {told['fix']}".lower()


@pytest.mark.parametrize("project", ["nothing in it", "not there"])
def test_init_without_a_manage_py_leaves_nothing_behind(project: str, tmp_path: Path) -> None:
    if project == "nothing in it":
        (tmp_path / project).mkdir()
    before = sorted(tmp_path.rglob("*"))

    told = _told(*_init(tmp_path, tmp_path / project))

    assert (told["error"], told["exit_code"]) == ("command", 2)
    assert "manage.py" in told["what"]
    assert sorted(tmp_path.rglob("*")) == before


def test_init_of_an_edms_that_does_not_load_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'broken')")
    (tmp_path / "broken.py").write_text("raise SystemExit('not today')")

    told = _told(*_init(tmp_path, tmp_path))

    assert told["exit_code"] == 2 and not told["written"]
    assert not (tmp_path / "edms-backup.toml").exists() and not (tmp_path / "repo").exists()


def test_init_refuses_a_repository_among_the_files_that_it_is_to_hold(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edms = edms_factory("sqlite", documents=5)
    for name, value in edms.env.items():
        monkeypatch.setenv(f"EDMS_BACKUP__EDMS__ENV__{name}", value)
    inside = edms.media / "backups"

    told = _told("init", "--config", str(tmp_path / "x.toml"), "--repository", str(inside), "--json", *_project(edms))

    failed = next(check["error"] for check in told["checks"] if check["error"])
    assert "repository lies inside" in failed["what"] and str(inside) in failed["where"]
    assert not inside.exists() and not (tmp_path / "x.toml").exists()


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_only_the_owner_may_read_evidence_whatever_the_umask(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        folder = tmp_path / "report"
        (folder / "data_docs" / "suites").mkdir(parents=True)
        (folder / "data_docs" / "suites" / "001.html").touch()
    finally:
        os.umask(before)

    keep_private(folder)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes == {0o700, 0o600}


def _project(edms: ReferenceEdms) -> list[str]:
    return ["--project", str(edms.project), "--settings", "config.settings"]


def _init(folder: Path, project: Path) -> list[str]:
    place = ["--config", str(folder / "edms-backup.toml"), "--repository", str(folder / "repo")]
    return ["init", *place, "--project", str(project), "--json"]


def _told(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, list(arguments))
    told: dict[str, Any] = json.loads(result.stdout)
    return told
