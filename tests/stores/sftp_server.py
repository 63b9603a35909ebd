"""OpenSSH's server on a free port, for SFTP alone, with keys of its own."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from edms_tasks.settings import RepositorySettings
from tests.stores.swift_server import end_with_parent, free_ports

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
"""


class SftpServer:
    """The server; its user is the one who runs the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> SftpServer:
        """Start it, or skip the test where there is none."""
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        if not Path(program).exists():
            pytest.skip("OpenSSH's server is not installed")
        (self.port,) = free_ports(1)
        for name in ("host", "user"):
            new_key(self.folder / name)
        if not Path("/run/sshd").is_dir() and getpass.getuser() == "root":
            Path("/run/sshd").mkdir(mode=0o755)
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(port=self.port, folder=self.folder))
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(config)], stdout=log, stderr=log, preexec_fn=end_with_parent
            )
        end = time.monotonic() + 300
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
        raise TimeoutError("sshd does not listen")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def host_key(self) -> str:
        """The server's public key, as in a .pub file."""
        return (self.folder / "host.pub").read_text().strip()

    @property
    def options(self) -> dict[str, str]:
        """As `[repository] options`."""
        return {"key_file": str(self.folder / "user"), "known_hosts": str(self.folder / "known_hosts")}

    def settings(self, folder: Path, **options: str) -> RepositorySettings:
        """Settings for a repository in a folder; `options` replace those that let the user in, where "" removes one."""
        url = f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{folder}"
        given = {name: value for name, value in (self.options | options).items() if value}
        return RepositorySettings(url=url, options={name: SecretStr(value) for name, value in given.items()})


def new_key(path: Path) -> None:
    """Write a key pair as ssh-keygen does."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b"\n")
