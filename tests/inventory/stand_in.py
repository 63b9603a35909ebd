"""A stand-in for `docker compose exec -T backend python`: a script that is as blind and as noisy as a container.

Where the machine lets us, it runs in a mount namespace of its own, in which the repository is an empty folder and the
EDMS's places have other paths than here and no longer ours; a host name of its own stands for the database server's. Everywhere, it passes
on nothing of the environment, starts in another folder, and prints what nobody asked for.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# As root, or as somebody who may be root in a namespace of their own.
_NAMESPACE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
# With their metadata: Django asks for the driver's version there.
_NEEDED = ("django", "asgiref", "sqlparse", "psycopg", "psycopg-*.dist-info", "psycopg_binary*", "typing_extensions.py")


def bare_python(folder: Path) -> Path:
    """An interpreter whose environment holds Django and a PostgreSQL driver, and nothing of ours."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    installed = Path(str(importlib.util.find_spec("django").origin)).parents[1]  # type: ignore[union-attr]
    # Copies: links would lead into our own environment, which the stand-in hides.
    for source in [found for name in _NEEDED for found in installed.glob(name)]:
        if source.is_dir():
            shutil.copytree(source, packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, packages)
    return folder / "bin" / "python"


def can_hide() -> bool:
    """Whether this machine lets us mount things for one process."""
    tried = subprocess.run([*_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


@dataclass(frozen=True)
class Container:
    """What the stand-in shows to whoever runs in it.

    Args:
        folder: where its script is written.
        python: the interpreter in it.
        mounts: folder here -> folder there.
        hosts: names of hosts there.
        before, after: shell lines around it.
    """

    folder: Path
    python: Path
    mounts: Mapping[Path, Path] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    before: str = "echo ' Container edms-backend-1  Running'; printf 'no end of line'"
    after: str = ""
    pipe: str = ""

    def command(self) -> tuple[str, ...]:
        """The words for `[edms] command`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        script = self.folder / "docker"
        arguments = self.folder / "arguments"
        inside = " && ".join([*self._setting_up(), f'cd / && exec env -i PATH=/usr/bin:/bin "{self.python}" "$@"'])
        start = [*_NAMESPACE, "sh", "-c", inside, "sh"] if can_hide() else ["sh", "-c", inside, "sh"]
        lines = [
            "#!/bin/sh",
            f'printf "%s\\n" "$*" >> {shlex.quote(str(arguments))}',
            'shift 5  # "compose exec -T backend python"',
            self.before,
            f'{shlex.join(start)} "$@" {self.pipe}',
            "code=$?",
            self.after,
            "exit $code",
        ]
        script.write_text("\n".join(lines) + "\n")
        script.chmod(0o755)
        return (str(script), "compose", "exec", "-T", "backend", "python")

    def arguments(self) -> list[str]:
        """What the stand-in was called with, each time."""
        return (self.folder / "arguments").read_text().splitlines()

    def _setting_up(self) -> list[str]:
        for here, there in self.mounts.items():
            there.parent.mkdir(parents=True, exist_ok=True)
            if not can_hide():
                there.symlink_to(here)
            elif not there.exists():
                there.mkdir()
        if not can_hide():
            return []
        hosts = self.folder / "hosts"
        hosts.write_text("".join(f"{address} {name}\n" for name, address in self.hosts.items()))
        return [
            f"mount --bind {shlex.quote(str(hosts))} /etc/hosts",
            *(f"mount --bind {shlex.quote(str(h))} {shlex.quote(str(t))}" for h, t in self.mounts.items()),
            # By our paths nothing is to be found there: what lies inside another one is covered before it.
            *(f"mount -t tmpfs none {shlex.quote(str(path))}" for path in sorted([ROOT, *self.mounts], reverse=True)),
        ]
