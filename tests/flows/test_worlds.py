"""Where a command runs: decided without importing Prefect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edms_tasks.errors import TransientError
from edms_tasks.settings import settings_from
from flows.worlds import choose_world, prefect_api_url

PROFILES = """
active = "plant"
[profiles.plant]
PREFECT_API_URL = "http://prefect.example:4200/api"
[profiles.bare]
"""


def test_the_environment_names_the_api() -> None:
    assert prefect_api_url({"PREFECT_API_URL": "http://here/api", "PREFECT_HOME": "/nowhere"}) == "http://here/api"


def test_the_active_profile_names_the_api(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(PROFILES)
    home = {"PREFECT_HOME": str(tmp_path)}

    assert prefect_api_url(home) == "http://prefect.example:4200/api"
    assert prefect_api_url(home | {"PREFECT_PROFILE": "bare"}) is None


@pytest.mark.parametrize("text", [None, "no toml [", "active = 'gone'"])
def test_without_a_usable_profile_there_is_no_api(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "profiles.toml").write_text(text)

    assert prefect_api_url({"PREFECT_HOME": str(tmp_path)}) is None


def test_without_an_api_a_command_runs_directly(tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"

    world = choose_world(config, settings_from({}, where=config), flow=None, console=None)

    assert not world.prefect


def test_an_api_that_does_not_answer_is_an_error_with_a_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "edms-backup.toml"
    settings = settings_from({}, where=config)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    with pytest.raises(TransientError, match="--no-flow"):
        choose_world(config, settings, flow=None, console=None)

    assert not choose_world(config, settings, flow=False, console=None).prefect


def test_a_direct_backup_imports_no_prefect() -> None:
    script = (
        "import sys, flows.backup, flows.restore, flows.verify, flows.direct_steps; print('prefect' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
