"""Hosts of their own on this machine: network namespaces with one address each, on a bridge. They see no loopback but their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

_NETWORK = "10.213.77"


@dataclass(frozen=True)
class Hosts:
    """`here` is this machine's address on the bridge; the others' are by the command that runs a program there."""

    here: str
    others: tuple[tuple[str, list[str]], ...]


@contextmanager
def hosts(number: int) -> Iterator[Hosts]:
    """Make so many hosts, or skip the test where that is not allowed; all is removed again."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and the program ip")
    bridge = f"edms{os.getpid()}"[:15]
    if _ip("link", "add", bridge, "type", "bridge", check=False).returncode:
        pytest.skip("this machine does not allow bridges")
    with ExitStack() as stack:
        stack.callback(_ip, "link", "del", bridge, check=False)
        _ip("addr", "add", f"{_NETWORK}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        others = []
        for place in range(number):
            name, outer, inner = (f"{kind}{place}-{os.getpid()}" for kind in ("edms", "eo", "ei"))
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name, check=False)
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            _ip("link", "set", outer, "master", bridge, "up")
            address = f"{_NETWORK}.{place + 11}"
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", inner)
            _ip("-n", name, "link", "set", inner, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            others.append((address, ["ip", "netns", "exec", name]))
        yield Hosts(f"{_NETWORK}.1", tuple(others))


def _ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)
