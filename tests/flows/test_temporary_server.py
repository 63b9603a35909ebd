"""A flow where no Prefect server is: one is started for it, stays out of sight, and has recorded everything when it is gone."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.prefect_server import PrefectHomes
from tests.reference_system import ReferenceEdmsFactory

pytestmark = [pytest.mark.slow, pytest.mark.prefect_server, pytest.mark.timeout(900)]


@pytest.mark.long
def test_a_flow_is_recorded_completely_and_nothing_else_is_printed(
    edms_factory: ReferenceEdmsFactory, prefect_homes: PrefectHomes, tmp_path: Path
) -> None:
    prefect_homes(tmp_path / "prefect")
    edms = edms_factory("sqlite", documents=5)
    config = edms.settings_file(tmp_path / "edms-backup.toml", tmp_path / "repository")

    done = flow(tmp_path, "--config", str(config), "backup", "--flow", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"]
    said = [line for line in done.stderr.splitlines() if " | INFO    | " not in line]
    assert said == []
    finished = [line for line in done.stderr.splitlines() if "Task run" in line and line.endswith("state Completed()")]
    assert len(finished) > 100
    with closing(sqlite3.connect(tmp_path / "prefect" / "prefect.db")) as database:
        runs = database.execute("SELECT state_type, count(*) FROM task_run GROUP BY 1").fetchall()
        flows = database.execute("SELECT state_type FROM flow_run").fetchall()
    assert (runs, flows) == ([("COMPLETED", len(finished))], [("COMPLETED",)])
    assert not servers(tmp_path)


@pytest.mark.long
def test_a_server_that_does_not_start_is_an_error_with_a_way_round(tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text('[edms]\nproject = "."\nsettings = "none"\n[repository]\nurl = "repository"\n')

    done = flow(
        tmp_path, "--config", str(config), "verify", "--flow", "--json",
        PREFECT_API_DATABASE_CONNECTION_URL="sqlite+aiosqlite:////no/such/folder/prefect.db",
    )  # fmt: skip

    assert done.returncode == 3, done.stderr
    error = json.loads(done.stdout or done.stderr.splitlines()[-1])
    assert "--no-flow" in error["cure"]
    assert "unable to open database file" in error["why"]
    assert not servers(tmp_path)


def flow(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"PREFECT_HOME": str(folder / "prefect"), **environment}
    command = [sys.executable, "-m", "flows.cli.app", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def servers(folder: Path) -> list[str]:
    """Processes that were told of this Prefect home."""
    told = f"PREFECT_HOME={folder / 'prefect'}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if told in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
        except OSError:
            continue  # it is gone, or another person's
    return found
