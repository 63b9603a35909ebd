"""What an installation must keep: our packages are ours, the command line starts fast, the lock file is portable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PACKAGES = ["flows", "edms_tasks", "expectations", "deployments", "reference_edms"]
HEAVY = ["prefect", "great_expectations", "pandas", "duckdb"]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_ours_from_any_folder(package: str, tmp_path: Path) -> None:
    # Other distributions have packages named `flows` and `expectations`.
    located = _python(f"import {package}; print({package}.__file__)", folder=tmp_path).strip()

    assert Path(located) == ROOT / package / "__init__.py"


def test_nothing_else_in_the_repository_becomes_importable(tmp_path: Path) -> None:
    script = "import importlib.util as u; print([n for n in ('tests', 'benchmarks', 'docs') if u.find_spec(n)])"

    assert _python(script, folder=tmp_path).strip() == "[]"


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = f"""
import json, sys
from flows.cli.app import main
sys.argv = ["edms-backup", "--help"]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    printed = _python(script, folder=tmp_path)

    assert "restore" in printed
    assert json.loads(printed.splitlines()[-1]) == []


def test_the_lock_names_no_place_to_download_from() -> None:
    text = LOCK.read_text(encoding="utf-8")

    assert not re.findall(r"\S+://\S+|--(?:extra-)?index-url|--find-links|--trusted-host|\s@\s", text)


def test_every_package_of_the_lock_has_an_exact_version_and_a_hash() -> None:
    entries = _lock_entries()

    assert len(entries) > 50
    for name, (requirement, hashes) in entries.items():
        assert "==" in requirement, name
        assert hashes, name


def test_the_lock_covers_every_dependency() -> None:
    project = _project()
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]

    missing = {_name(requirement) for requirement in wanted} - set(_lock_entries())

    assert not missing


@pytest.mark.long
def test_make_install_installs_the_program_in_the_versions_of_the_lock_and_nothing_that_only_tests_need(
    tmp_path: Path,
) -> None:
    prefix = tmp_path / "program"
    done = subprocess.run(
        ["make", "install", f"PREFIX={prefix}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    listed = [str(prefix / "bin" / "python"), "-m", "pip", "list", "--format", "json"]
    packages = json.loads(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)
    installed = {_name(one["name"]): one["version"] for one in packages}
    locked = {name: requirement.partition("==")[2].split()[0] for name, (requirement, _) in _lock_entries().items()}
    own = installed.keys() - {"pip", "setuptools", "edms-backup"}
    assert {name: installed[name] for name in own} == {name: locked[name] for name in own}
    assert {"paramiko", "botocore", "prefect"} <= own
    assert not {"pytest", "mypy", "swift"} & own
    assert done.stdout.splitlines()[-1].startswith("edms-backup ")


def test_make_install_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")

    done = subprocess.run(
        ["make", "install", f"PREFIX={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def _python(script: str, folder: Path) -> str:
    # -P and a folder elsewhere: only what is installed may be found.
    done = subprocess.run([sys.executable, "-P", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _lock_entries() -> dict[str, tuple[str, list[str]]]:
    joined = re.sub(r"\\\n\s*", "", LOCK.read_text(encoding="utf-8"))
    lines = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    return {
        _name(line): (line.partition(" --hash")[0], re.findall(r"--hash=sha256:([0-9a-f]{64})", line)) for line in lines
    }


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()
