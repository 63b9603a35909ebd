"""Takes the place of `python SCRIPT …`: has the server beside it run the script, or becomes Python where that would not be the same."""

from __future__ import annotations

# What these bring is in the interpreter: `socket`, `signal`, `json` and `pathlib` would take two thirds of this program's time.
import _signal
import _socket
import marshal
import os
import sys

_STATUS = ("Uid:", "Gid:", "Groups:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:", "Cpus_allowed_list:")


def inherited() -> str:
    """What a process has from its parent and cannot be given otherwise: only where it is the server's does a child of it do."""
    status = [line for line in _text("/proc/self/status").splitlines() if line.startswith(_STATUS)]
    # How Python starts. The encoding alone can be changed afterwards.
    variables = {name: os.environ[name] for name in os.environ if name.startswith("PYTHON")} | {"PYTHONIOENCODING": ""}
    spaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "pid", "user")]
    return repr([status, _text("/proc/self/limits"), os.getsid(0), spaces, sorted(variables.items())])


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _main() -> None:
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        server.connect(_address())
        serves = server.recv(1 << 16).decode() == inherited()
    except OSError:
        serves = False  # it is not there yet
    if not serves or len(sys.argv) < 2 or (sys.argv[1].startswith("-") and sys.argv[1] != "-c"):
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    files = [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
    files.remove(server.fileno())
    request = {
        "arguments": sys.argv[1:],
        "folder": os.getcwd(),
        "variables": dict(os.environ),
        "files": files,
        "umask": os.umask(0),
        "group": os.getpgrp(),
    }
    numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in files)
    server.sendmsg([marshal.dumps(request)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
    _end_as_it_did(os.waitstatus_to_exitcode(int(server.recv(100))))


def _address() -> str:
    """The server for this script: the one with the project's own code, if the script is to set up the project as it is."""
    folder, words = os.path.dirname(__file__), sys.argv[1:]
    project = os.readlink(os.path.join(folder, "project"))
    plain = os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings") == "config.settings"
    asked = [words[place + 1 : place + 2] for place, word in enumerate(words) if word in ("--project", "--settings")]
    probes = asked == [[project], ["config.settings"]] and not {"--another-engine", "--from-models", "--copy"} & {
        *words
    }
    of_the_project = plain and (probes or words[:1] == [os.path.join(project, "manage.py")])
    return os.path.join(folder, "socket-of-the-project" if of_the_project else "socket")


def _end_as_it_did(status: int) -> None:
    if status < 0:
        if -status != _signal.SIGKILL:
            _signal.signal(-status, _signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    _main()
