"""Takes the place of `python SCRIPT …`: has the server beside it run the script, or becomes Python where that would not be the same."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys
from pathlib import Path

_STATUS = ("Uid:", "Gid:", "Groups:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:", "Cpus_allowed_list:")


def inherited() -> str:
    """What a process has from its parent and cannot be given otherwise: only where it is the server's does a child of it do."""
    own = Path("/proc/self")
    status = [line for line in (own / "status").read_text(encoding="utf-8").splitlines() if line.startswith(_STATUS)]
    limits = (own / "limits").read_text(encoding="utf-8")
    # How Python starts. The encoding alone can be changed afterwards.
    variables = {name: os.environ[name] for name in os.environ if name.startswith("PYTHON")} | {"PYTHONIOENCODING": ""}
    spaces = [str((own / "ns" / name).readlink()) for name in ("mnt", "net", "pid", "user")]
    return json.dumps([status, limits, os.getsid(0), spaces, sorted(variables.items())])


def _main() -> None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        server.connect(str(Path(__file__).with_name("socket")))
        serves = server.recv(1 << 16).decode() == inherited()
    except OSError:
        serves = False  # it is not there yet
    if not serves or len(sys.argv) < 2 or (sys.argv[1].startswith("-") and sys.argv[1] != "-c"):
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    files = [int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    files.remove(server.fileno())
    request = {
        "arguments": sys.argv[1:],
        "folder": str(Path.cwd()),
        "variables": dict(os.environ),
        "files": files,
        "umask": os.umask(0),
        "group": os.getpgrp(),
    }
    server.sendmsg([json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    _end_as_it_did(os.waitstatus_to_exitcode(int(server.recv(100))))


def _end_as_it_did(status: int) -> None:
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    _main()
