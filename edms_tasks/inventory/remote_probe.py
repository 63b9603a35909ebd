"""Run the probe where the EDMS is, through `[edms] command`: in a container, on another host, under another user.

The command starts a Python there and passes on its standard input and output. It has none of our files and none of our
environment, so a program is sent to it: `remote_transport.py` with the probe's source, the variables of `[edms.env]` and
the working folder. Secrets are part of this program, never arguments, which every user of a machine can read.
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

    `problem` is "" if the probe ran to its end. Otherwise it is "no-project", "no-interpreter", "no-answer", "cut-off" or
    "no-transport" (the command itself failed), and `why` is the message of the program that failed.
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
    seconds: float | None,
) -> Answer:
    """Run `source` with `arguments` where the EDMS is.

    Args:
        command: the words that start a Python there; `-` is added, so that it reads its program from standard input.
        source: the probe's source.
        arguments: the probe's arguments.
        project: the working folder there; None is the command's own.
        environment: variables to set there.
        own_environment: the environment of the command itself, here.
        seconds: how long the EDMS may take; None is without limit.

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
    carried, others = _sort(done.stdout.decode("utf-8", "replace"), token)
    if not carried:
        errors = done.stderr.decode("utf-8", "replace").strip()
        return Answer(problem="no-transport", why=errors or others.strip() or f"exit code {done.returncode}")
    found = _unpack(carried)
    return Answer(**found) if found is not None else Answer(problem="cut-off", why=f"{len(carried)} lines came.")


def _sort(output: str, token: str) -> tuple[list[str], str]:
    """The content of the transport's lines, and all other lines."""
    carried, others = [], []
    for line in output.splitlines():
        mark, _, rest = line.strip().partition(" ")
        if mark == token:
            carried.append(rest)
        else:
            others.append(line)
    return carried, "\n".join(others)


def _unpack(carried: Sequence[str]) -> dict[str, Any] | None:
    """The answer; None if lines are missing or damaged."""
    *parts, last = carried
    text = "".join(parts)
    if last.split() != ["end", str(len(parts)), hashlib.sha256(text.encode()).hexdigest()]:
        return None
    found: dict[str, Any] = json.loads(base64.b64decode(text))
    return found
