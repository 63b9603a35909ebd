"""Run the probe where the EDMS is, through `[edms] command`: in a container, on another host, under another user.

The command starts a Python there and carries its standard input and output; that is all it has to do. It sees none of
our files and passes on none of our environment, so what `remote_transport.py` does there is sent to it as a program: the probe's
source, the variables of `[edms.env]`, the folder to work in. Secrets travel in it and never as arguments, which every
user of a machine can read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TRANSPORT = Path(__file__).with_name("remote_transport.py")
_SECONDS_FOR_THE_WAY = 60


@dataclass(frozen=True)
class Answer:
    """The answer of the remote probe.

    `problem` is "" where the probe ran to its end; otherwise "no-project", "no-interpreter", "no-answer", "cut-off"
    or "no-transport" (the command itself failed), with `why` in the words of whoever said so.
    """

    returncode: int = -1
    stdout: str = ""
    stderr: str = ""
    report: str = ""
    problem: str = ""
    why: str = ""


def run_remotely(
    command: Sequence[str],
    source: str,
    arguments: Sequence[str],
    *,
    project: str | None,
    environment: Mapping[str, str],
    own_environment: Mapping[str, str],
    seconds: int | None,
) -> Answer:
    """Run `source` with `arguments` there.

    Args:
        command: the words that start a Python there; `-` is added, so that it reads its program from standard input.
        project: a folder there, to work in; None is wherever the command puts us.
        environment: variables to set there.
        own_environment: those of the command itself, here.
        seconds: how long the EDMS may take; None is as long as it likes.

    Raises:
        OSError: the command cannot be run here.
    """
    token = secrets.token_hex(16)
    asked = {
        "token": token,
        "source": source,
        "arguments": list(arguments),
        "project": project or "",
        "environment": dict(environment),
        "seconds": seconds,
    }
    request = base64.b64encode(json.dumps(asked).encode("ascii")).decode("ascii")
    program = f'{_TRANSPORT.read_text(encoding="utf-8")}\n\ncarry("{request}")\n'
    try:
        done = subprocess.run(
            [*command, "-"],
            input=program.encode("utf-8"),
            capture_output=True,
            env=dict(own_environment),
            check=False,
            timeout=None if seconds is None else seconds + _SECONDS_FOR_THE_WAY,
        )
    except subprocess.TimeoutExpired:
        return Answer(problem="no-answer")
    said = done.stdout.decode("utf-8", "replace")
    carried, others = _sort(said, token)
    if not carried:
        errors = done.stderr.decode("utf-8", "replace").strip()
        return Answer(problem="no-transport", why=errors or others.strip() or f"exit code {done.returncode}")
    found = _unpack(carried)
    return Answer(**found) if found is not None else Answer(problem="cut-off", why=f"{len(carried)} lines came.")


def _sort(said: str, token: str) -> tuple[list[str], str]:
    """The content of the transport's lines, and all other lines."""
    carried, others = [], []
    for line in said.splitlines():
        mark, _, rest = line.strip().partition(" ")
        if mark == token:
            carried.append(rest)
        else:
            others.append(line)
    return carried, "\n".join(others)


def _unpack(carried: Sequence[str]) -> dict[str, Any] | None:
    """The answer, or None where it did not come whole."""
    *parts, last = carried
    text = "".join(parts)
    if last.split() != ["end", str(len(parts)), hashlib.sha256(text.encode()).hexdigest()]:
        return None
    found: dict[str, Any] = json.loads(base64.b64decode(text))
    return found
