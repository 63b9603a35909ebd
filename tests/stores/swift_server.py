"""OpenStack Swift with its s3api: a real S3 server of four processes on free ports, over one folder.

It knows multipart uploads, conditional writes, pages of listings, and users with rights of their own; no object lock.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

REGION = "us-east-1"
_PR_SET_PDEATHSIG = 1
_RINGS = """
import json, sys
from swift.common.ring import RingBuilder
folder, ports = sys.argv[1], json.loads(sys.argv[2])
for kind in ("object", "container", "account"):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[kind], "device": "d", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{kind}.ring.gz")
"""

_BACKEND = """[DEFAULT]
devices = {folder}/devices
mount_check = false
disable_fallocate = true
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
log_name = {kind}
log_address = {folder}/no-log
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
log_address = {folder}/no-log
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy dlo slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
auth_pipeline_check = false
location = us-east-1
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_backup_admin = {secret} .admin .reseller_admin
user_backup_guest = {guest}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:dlo]
use = egg:swift#dlo
[filter:slo]
use = egg:swift#slo
[filter:versioned_writes]
use = egg:swift#versioned_writes
[filter:symlink]
use = egg:swift#symlink
"""


@dataclass(frozen=True)
class S3Account:
    """An endpoint, and who asks it."""

    endpoint: str
    key: str
    secret: str
    region: str = REGION

    @property
    def options(self) -> dict[str, str]:
        """As `[repository] options`."""
        return {"endpoint_url": self.endpoint, "key": self.key, "secret": self.secret, "region": self.region}


class SwiftServer:
    """The four processes; `start` returns when the proxy answers, `stop` removes all that they stored."""

    admin_secret = "admin-secret"
    guest_secret = "guest-secret"

    def __init__(self) -> None:
        self._folder = _folder_with_attributes()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> S3Account:
        """Start the servers, or skip the test where there are none."""
        pytest.importorskip("swift", reason="OpenStack Swift is installed on Linux alone")
        ports = dict(zip(("object", "container", "account", "proxy"), free_ports(4), strict=True))
        (self._folder / "devices" / "d").mkdir(parents=True)
        (self._folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n"
            "[storage-policy:0]\nname = p\ndefault = yes\n"
        )
        self._rings(ports)
        for kind in ("object", "container", "account"):
            self._serve(kind, _BACKEND.format(folder=self._folder, port=ports[kind], kind=kind))
        said = _PROXY.format(
            folder=self._folder, port=ports["proxy"], secret=self.admin_secret, guest=self.guest_secret
        )
        self._serve("proxy", said)
        for port in ports.values():
            self._wait(port)
        return S3Account(f"http://127.0.0.1:{ports['proxy']}", "backup:admin", self.admin_secret)

    @property
    def process_ids(self) -> list[int]:
        """Of the four processes."""
        return [process.pid for process in self._processes]

    def stop(self) -> None:
        """End the servers and remove their folder."""
        for process in self._processes:
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _rings(self, ports: dict[str, int]) -> None:
        """In a process of its own, because Swift patches what it imports."""
        subprocess.run([sys.executable, "-W", "ignore", "-c", _RINGS, str(self._folder), json.dumps(ports)], check=True)

    def _serve(self, kind: str, config: str) -> None:
        path = self._folder / f"{kind}.conf"
        path.write_text(config)
        with (self._folder / f"{kind}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, _program(f"swift-{kind}-server"), str(path)],
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "SWIFT_DIR": str(self._folder), "PYTHONWARNINGS": "ignore"},
                    start_new_session=True,
                    preexec_fn=end_with_parent,
                )
            )

    def _wait(self, port: int) -> None:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if dead := [process for process in self._processes if process.poll() is not None]:
                logs = "".join(path.read_text(errors="replace")[-2000:] for path in self._folder.glob("*.log"))
                raise RuntimeError(f"swift ended: {dead[0].args!r}\n{logs}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"swift does not listen on {port}")


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def end_with_parent() -> None:
    """In a server's process, before it begins: a run of tests that is killed leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _program(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _folder_with_attributes() -> Path:
    """A new folder on a file system with extended attributes: in memory where that has them."""
    for parent in ("/dev/shm", None):
        if parent is not None and not Path(parent).is_dir():
            continue
        folder = Path(tempfile.mkdtemp(prefix="edms-swift-", dir=parent))
        try:
            os.setxattr(folder, "user.swift", b"x")
        except OSError:
            shutil.rmtree(folder)
            continue
        return folder
    raise RuntimeError("no file system with extended attributes for swift")
