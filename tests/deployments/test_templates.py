"""The templates for systemd, containers and Kubernetes name files, commands and options that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from flows.cli.app import app

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "deployments"
CRONJOBS = [*YAML(typ="safe").load_all(TEMPLATES / "kubernetes" / "cronjobs.yaml")]


def require_command(words: list[str]) -> None:
    """Check that the command and each of its options exist; the settings file may stand before the command."""
    name, *rest = words[2:] if words[0] == "--config" else words
    command = get_command(app).commands[name]  # type: ignore[attr-defined]

    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-")} <= options, words


def test_the_container_runs_a_command_that_exists_and_copies_what_exists() -> None:
    compose: dict[str, Any] = YAML(typ="safe").load(TEMPLATES / "container" / "compose.yaml")
    service = compose["services"]["edms-backup"]
    dockerfile = TEMPLATES / "container" / service["build"]["context"] / service["build"]["dockerfile"]

    require_command(service["command"])
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile.resolve().read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_container_has_every_package_that_is_installed() -> None:
    text = (TEMPLATES / "container" / "Dockerfile").read_text(encoding="utf-8")
    packages = re.search(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert packages is not None

    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {package} {package}\n" in text


@pytest.mark.parametrize("job", CRONJOBS, ids=lambda job: str(job["metadata"]["name"]))
def test_cron_jobs_run_commands_that_exist_and_are_no_root(job: dict[str, Any]) -> None:
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    require_command(container["args"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
    assert job["spec"]["concurrencyPolicy"] == "Forbid"


def test_the_service_runs_a_command_that_exists(tmp_path: Path) -> None:
    text = (TEMPLATES / "systemd" / "edms-backup.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=\S+/edms-backup (.+)$", text, re.MULTILINE)
    assert command is not None
    require_command(command[1].split())

    if analyze := shutil.which("systemd-analyze"):
        unit = tmp_path / "edms-backup.service"
        unit.write_text(text.replace("/opt/edms-backup/bin/edms-backup", "/bin/true"))
        done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
        assert "edms-backup" not in done.stderr, done.stderr
