"""Interpreters of other versions, and environments in them that hold an EDMS's packages and none of ours.

They are found by their names (`python3.9`) in the PATH, in pyenv, or among the paths of EDMS_BACKUP_TEST_PYTHONS. Where
that variable is set, what is missing is a failure; without it, the tests that need it are skipped and say so.
`tests/real/other_environments.sh` fetches what is missing and sets it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

VARIABLE = "EDMS_BACKUP_TEST_PYTHONS"


@dataclass(frozen=True)
class Environment:
    """A version of Python, and the packages an EDMS has there."""

    python: str
    packages: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.packages[0]} on Python {self.python}"


ENVIRONMENTS = [
    Environment("3.9", ("Django==3.2.25", "psycopg2-binary")),
    Environment("3.12", ("Django==5.2.*", "psycopg[binary]")),
]
if VARIABLE in os.environ:  # the oldest of all is `make other-pythons`' alone
    ENVIRONMENTS.insert(0, Environment("3.8", ("Django==3.2.25", "psycopg2-binary")))


def make_environment(environment: Environment, folder: Path) -> Path:
    """The interpreter of a new environment with the environment's packages in it; skips the test where none can be had."""
    interpreter = find_python(environment.python)
    if interpreter is None:
        _missing(f"there is no python{environment.python} here (not in the PATH, not in pyenv, not in {VARIABLE})")
    python = folder / "bin" / "python"
    # By our pip, if it still knows that Python: to install another would take half of the time.
    subprocess.run(
        [interpreter, "-m", "venv", "--without-pip", folder], check=True, capture_output=True, env=_environment()
    )
    installed = _install([sys.executable, "-m", "pip", "--python", python], environment)
    if installed.returncode:
        subprocess.run([python, "-m", "ensurepip"], check=True, capture_output=True, env=_environment())
        installed = _install([python, "-m", "pip"], environment)
    if installed.returncode:
        said = installed.stderr.strip().splitlines() or ["pip said nothing"]
        _missing(f"{' '.join(environment.packages)} cannot be installed for Python {environment.python}: {said[-1]}")
    return python


def _install(pip: Sequence[str | Path], environment: Environment) -> subprocess.CompletedProcess[str]:
    options = ["--quiet", "--no-compile", "--disable-pip-version-check"]
    return subprocess.run(
        [*pip, "install", *options, *environment.packages],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )


def _missing(why: str) -> NoReturn:
    if os.environ.get(VARIABLE):
        pytest.fail(why)
    pytest.skip(f"{why}; tests/real/other_environments.sh fetches it")


def find_python(version: str) -> str | None:
    """The path of an interpreter of that version, e.g. "3.9"; None where there is none."""
    return next((path for path in _candidates(version) if _version(path) == version), None)


def _candidates(version: str) -> Iterator[str]:
    yield from filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))
    yield shutil.which(f"python{version}") or ""
    if shutil.which("pyenv"):
        found = subprocess.run(
            ["pyenv", "whence", "--path", f"python{version}"], capture_output=True, text=True, check=False
        )
        yield from found.stdout.splitlines()


def _version(path: str) -> str | None:
    """The version that an interpreter says it has; None where it is none, as a dangling shim."""
    try:
        asked = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def _environment() -> dict[str, str]:
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in ours}


def main(asked: str, *versions: str) -> int:
    """For scripts: `versions` prints those needed, `find VERSION` the path of one."""
    found = (
        [environment.python for environment in ENVIRONMENTS]
        if asked == "versions"
        else [find_python(name) for name in versions]
    )
    sys.stdout.writelines(f"{line}\n" for line in found if line)
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
