"""python server.py SOCKET PROJECT: forks a child for each script that it is asked to run; ends when its input does.

A second process, at SOCKET-of-the-project, does the same for the project's own scripts, and has its code imported too.
"""

from __future__ import annotations

import array
import atexit
import codecs
import fcntl
import gc
import importlib
import json
import marshal
import os
import select
import signal
import socket
import sys
import sysconfig
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from program import inherited

_MOST_FILES = 64
_OUT_OF_THE_WAY = 300  # descriptors from here on, while those that were sent find their numbers
_PROBE = Path(__file__).resolve().parents[2] / "edms_tasks" / "inventory" / "probe.py"
_compiled: dict[str, tuple[bytes, CodeType]] = {}
"""Path -> text and code of a script that starts often, which is compiled once."""
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


@dataclass(frozen=True)
class Request:
    """What a program was started with; `files` are the numbers its open files have."""

    arguments: list[str]
    folder: str
    variables: dict[str, str]
    files: list[int]
    umask: int
    group: int


def serve(address: str, project: str) -> list[str] | None:
    """Serve until the input ends; returns in each child, with the arguments that Python is to start with."""
    for name in _used_by(project):
        with suppress(Exception):  # models, and what else needs an EDMS's settings, are left to the child
            importlib.import_module(name)
    text = _PROBE.read_bytes()
    _compiled[str(_PROBE)] = text, compile(text, _PROBE, "exec", dont_inherit=True)
    gc.freeze()
    second = os.fork()
    if second == 0:
        _import_project(project)
        address += "-of-the-project"
        gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(64)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [], 1)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if sys.stdin in ready:
            with suppress(ChildProcessError):
                os.waitpid(second, 0) if second else None
            return None
        if listener in ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                return _supervise(connection)
            connection.close()


def _import_project(project: str) -> None:
    """Set the project up, and forget all that follows from the variables of this process: a child has its own settings."""
    sys.path.insert(0, project)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django
    from django.apps import apps
    from django.conf import settings
    from django.core.files.storage import default_storage
    from django.db import connections
    from django.utils.functional import empty

    django.setup()
    # The class of a model is the same with every database, as long as no engine would cut its table's name.
    assert all(len(model._meta.db_table) < 64 for model in apps.get_models(include_auto_created=True))
    assert default_storage._wrapped is empty
    # Its migrations too, which most commands read.
    from django.db.migrations.loader import MigrationLoader

    MigrationLoader(None)
    del connections["default"], connections.settings, sys.modules["config.settings"]
    connections._settings = None
    settings._wrapped = empty
    sys.path.remove(project)


def _used_by(project: str) -> list[str]:
    """The modules of libraries that a Django project imports, in their order; found by a child, which may import the project."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        sys.path[0] = project
        sys.dont_write_bytecode = False  # the project is compiled once and not by each child
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        import django
        from django.core.management import load_command_class

        django.setup()
        for command in ("check", "migrate", "flush", "sqlmigrate"):
            load_command_class("django.core", command)
        for engine in ("sqlite3", "postgresql"):
            importlib.import_module(f"django.db.backends.{engine}.base")
        importlib.import_module("django.contrib.postgres.fields")
        names = [
            name for name, module in sys.modules.items() if str(module.__dict__.get("__file__")).startswith(_LIBRARIES)
        ]
        os.write(writing, json.dumps(names).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        names = json.load(pipe)
    os.waitpid(child, 0)
    return names


def _supervise(connection: socket.socket) -> list[str]:
    """Fork the child that runs the script, wait for it or for the end of the program, pass on how it ended."""
    connection.send(inherited().encode())
    message, extra, _, _ = connection.recvmsg(1 << 20, socket.CMSG_SPACE(_MOST_FILES * 4))
    if not message:
        os._exit(0)  # the program became Python itself
    sent = array.array("i", b"".join(data for _, _, data in extra))
    child = os.fork()
    if child == 0:
        return _become(Request(**marshal.loads(message)), list(sent))
    for number in sent:
        os.close(number)
    ready, _, _ = select.select([os.pidfd_open(child), connection], [], [])
    if connection in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(OSError):  # the program was killed
        connection.send(b"%d" % status)
    os._exit(0)


def _become(request: Request, sent: list[int]) -> list[str]:
    """Make this process what the program's own would be."""
    aside = [fcntl.fcntl(number, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for number in sent]
    os.closerange(0, _OUT_OF_THE_WAY)
    for number, wanted in zip(aside, request.files, strict=True):
        os.dup2(number, wanted)
        os.close(number)
    os.chdir(request.folder)
    os.umask(request.umask)
    os.setpgid(0, request.group)
    os.environ.clear()
    os.environ.update(request.variables)
    time.tzset()
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    encoding = codecs.lookup(encoding).name
    sys.stdin = os.fdopen(0, encoding=encoding, closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding=encoding, errors=errors or "strict", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)
    return request.arguments


def run(arguments: list[str], names: dict[str, object]) -> None:
    """What Python does with its arguments, `SCRIPT …` or `-c TEXT …`, in a module with these names."""
    if arguments[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
        exec(compile(arguments[1], "<string>", "exec", dont_inherit=True), names)
        return
    sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).resolve().parent)
    names["__file__"] = arguments[0]
    text = Path(arguments[0]).read_bytes()
    known, code = _compiled.get(arguments[0], (b"", None))
    exec(code if code is not None and text == known else compile(text, arguments[0], "exec", dont_inherit=True), names)


def run_to_its_end(arguments: list[str]) -> None:
    """Run, and end like Python, except that libraries are not taken apart: in a fork, that takes ten times as long as the fork."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    status = 0
    try:
        run(arguments, vars(module))
    except SystemExit as ends:
        if ends.code is not None and not isinstance(ends.code, int):
            raise
        status = ends.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    vars(module).clear()  # files that it left open are closed
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    wanted = serve(*sys.argv[1:])
    if wanted is not None:
        run_to_its_end(wanted)
