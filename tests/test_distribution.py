"""What is released: the wheel has all that our code reads, installs outside the repository, and works from there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("flows", "edms_tasks", "expectations", "deployments", "reference_edms")


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    return _build(ROOT, tmp_path_factory.mktemp("dist"), "sdist", "wheel")


@pytest.fixture(scope="module")
def installed(distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment of its own with the wheel; only the libraries are those of the tests' environment."""
    home = tmp_path_factory.mktemp("installed")
    _run([sys.executable, "-m", "venv", "--without-pip", str(home)])
    (packages,) = home.glob("lib/python3*/site-packages")
    # A folder named in a .pth file is searched last, and its own .pth files are not read: not the one of our editable installation.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _run([sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet", "--no-deps",
          "--no-index", str(_wheel(distribution))])  # fmt: skip
    return home / "bin"


def test_the_wheel_has_every_file_of_the_packages(distribution: Path) -> None:
    with zipfile.ZipFile(_wheel(distribution)) as wheel:
        packed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in _package_files()}


@pytest.mark.long
def test_the_wheel_of_the_source_distribution_is_the_same(distribution: Path, tmp_path: Path) -> None:
    (source,) = distribution.glob("*.tar.gz")
    with tarfile.open(source) as packed:
        packed.extractall(tmp_path, filter="data")

    again = _build(tmp_path / source.name.removesuffix(".tar.gz"), tmp_path / "again", "wheel")

    assert _wheel(again).read_bytes() == _wheel(distribution).read_bytes()


def test_the_container_copies_all_that_the_package_is_built_from(distribution: Path, tmp_path: Path) -> None:
    recipe = (ROOT / "deployments" / "container" / "Dockerfile").read_text(encoding="utf-8")
    for sources, target in re.findall(r"^COPY (.+) (\S+)$", recipe, re.MULTILINE):
        for source in sources.split():
            there = tmp_path / "image" / target / source if target == "./" else tmp_path / "image" / target
            there.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy2
            copy(ROOT / source, there)

    again = _build(tmp_path / "image", tmp_path / "again", "wheel")

    with zipfile.ZipFile(_wheel(again)) as of_the_image, zipfile.ZipFile(_wheel(distribution)) as released:
        names = {name for name in of_the_image.namelist() if "__pycache__" not in name}
        assert names == set(released.namelist())


def test_the_source_distribution_has_documentation_and_tests(distribution: Path) -> None:
    (source,) = distribution.glob("*.tar.gz")
    with tarfile.open(source) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}

    assert {"docs/restore.md", "docs/pictures/dashboard.png", "tests/conftest.py", "requirements.lock"} <= names
    assert not [name for name in names if name.startswith((".ci", ".git/", ".venv"))]


def test_the_package_says_what_it_is(distribution: Path) -> None:
    with zipfile.ZipFile(_wheel(distribution)) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        described = Parser().parsestr(wheel.read(name).decode())

    assert described["License-Expression"] == "Apache-2.0"
    assert {"s3", "sftp", "pdf"} <= set(described.get_all("Provides-Extra", []))
    assert "edms-backup demo" in described.get_payload()


@pytest.mark.long
def test_each_package_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    script = f"import importlib; print(*(importlib.import_module(n).__file__ for n in {PACKAGES!r}), sep='\\n')"

    places = _run([str(installed / "python"), "-P", "-c", script], folder=tmp_path).splitlines()

    assert len(places) == len(PACKAGES)
    assert all(place.startswith(str(installed.parent)) for place in places), places


@pytest.mark.long  # `make demo` runs it from here
@pytest.mark.slow
def test_the_demo_runs_from_the_installed_package(installed: Path, tmp_path: Path) -> None:
    made = json.loads(_run([str(installed / "edms-backup"), "demo", "--json", "--documents", "20"], folder=tmp_path))

    assert made["restore"]["success"] is True
    assert made["models"] and all(one["rows_before"] == one["rows_restored"] for one in made["models"])


def _build(project: Path, into: Path, *targets: str) -> Path:
    for target in targets:
        _run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)], folder=project)
    return into


def _wheel(distribution: Path) -> Path:
    (wheel,) = distribution.glob("*.whl")
    return wheel


def _package_files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _run(words: list[str], folder: Path | None = None) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "EDMS_BACKUP"))}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
