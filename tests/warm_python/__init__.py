"""A Python for the tests' EDMSs that has Django imported already: each process of an EDMS starts as a fork of it.

Half the time of a backup or restore of a small system goes into new Pythons that import Django. The program that takes the place of
`python` hands its arguments, folder, variables and open files to a server, which forks a child that runs the script as Python does.
Only modules of the standard library and of site-packages are imported beforehand; the EDMS's own code is read each time. The exception
is the reference EDMS where it is: its models are made beforehand, and its settings are read each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).parent
_PROJECT = _HERE.parent.parent / "reference_edms"
_program: list[str] = []  # of the server that runs, if any


def edms_python() -> str:
    """The interpreter for an EDMS of the tests: the warm one while it runs, otherwise our own."""
    return _program[-1] if _program else sys.executable


@contextmanager
def warm_python(folder: Path) -> Iterator[None]:
    """Keep a warm Python, with its socket and program in a folder."""
    program = folder / "python"
    # -I: no variable of the caller reaches the program. -S: it needs no package, and starts in a third of the time.
    text = f"#!{sys.executable} -IS\n{(_HERE / 'program.py').read_text(encoding='utf-8')}"
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    (folder / "project").symlink_to(_PROJECT)
    server = [sys.executable, str(_HERE / "server.py"), str(folder / "socket"), str(_PROJECT)]
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    with subprocess.Popen(server, stdin=subprocess.PIPE, env=variables) as serving:
        _program.append(str(program))
        try:
            yield
        finally:
            _program.remove(str(program))
            serving.communicate()  # it ends when its input does
