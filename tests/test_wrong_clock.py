"""The command line on a machine whose clock is wrong: a day behind, a day ahead, a year ahead. By `faketime`, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.repository import Repository
from edms_tasks.repository.reader_leases import reading
from flows.listing import list_snapshots
from flows.status import read_status
from tests.backed_up import BackedUpSystems
from tests.direct_access import spoil
from tests.independent_comparison import differences, picture
from tests.running import Protected

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("edms_asked_once"),
    pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed"),
]

AHEAD, BEHIND, YEAR_AHEAD, RIGHT = "+1d", "-1d", "+400d", "+0"

Command = Callable[..., Any]
# Prints what each of several commands prints, a line for each: a new process for each would take two seconds.
_SEVERAL = """
import json, sys
from typer.testing import CliRunner
from flows.cli.app import app
for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    print(json.dumps(json.loads(done.stdout)))
"""


@pytest.fixture
def protected(backed_up: BackedUpSystems) -> Protected:
    return backed_up("sqlite").protected


@pytest.fixture
def at(protected: Protected) -> Command:
    """`at("+1d", "backup")`: what a command prints with --json, by a clock that is wrong by so much."""

    def run(clock: str, *words: str, code: int | None = 0) -> Any:
        done = _by_clock(clock, "-m", "flows.cli.app", *words, "--config", str(protected.config), "--json")
        assert code is None or done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    return run


def _by_clock(clock: str, *words: str) -> subprocess.CompletedProcess[str]:
    # Times of files stay those of the kernel, as on a machine whose files are on a server.
    environment = {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    command = ["faketime", "-f", clock, sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def planned_prunes(protected: Protected, clock: str, *rules: list[str]) -> list[list[dict[str, Any]]]:
    """The snapshots as a prune by each of these rules would leave them, by a clock that is wrong by so much."""
    options = ["--dry-run", "--no-flow", "--config", str(protected.config), "--json"]
    done = _by_clock(clock, "-c", _SEVERAL, json.dumps([["prune", *rule, *options] for rule in rules]))
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["snapshots"] for line in done.stdout.splitlines()]


def ids(protected: Protected) -> list[str]:
    """The snapshots in their order, by a right clock."""
    return [one.id for one in list_snapshots(protected.settings).snapshots]


@pytest.mark.long  # of the library alone, the same is asked in repository/test_leases_and_clocks
@pytest.mark.parametrize("clocks", [(BEHIND,), (AHEAD, RIGHT)], ids="then".join)
def test_the_newest_snapshot_is_the_last_one_made_and_no_prune_takes_it(
    clocks: tuple[str, ...], at: Command, protected: Protected, tmp_path: Path
) -> None:
    made = ids(protected)
    for clock in clocks:
        spoil(protected.edms) if clock == clocks[-1] else None
        made.append(at(clock, "backup", "--no-flow")["snapshot"])
    live = picture(protected.edms)
    assert ids(protected) == made, "in the order in which they were made"

    for clock in (BEHIND, AHEAD, YEAR_AHEAD):
        rules = (["--keep-last", "1"], ["--keep-within", "1h"])
        for rule, planned in zip(rules, planned_prunes(protected, clock, *rules), strict=True):
            going = {one["id"] for one in planned if one["goes"]}
            assert made[-1] in {one["id"] for one in planned} - going, f"{rule} at {clock}"

    into = str(tmp_path / "copy.sqlite3")
    done = at(AHEAD, "restore", "latest", "--into", into, "--into-files", str(tmp_path / "files"), "--no-flow")
    assert (done["snapshot"], done["verdict"]) == (made[-1], "proved")
    assert differences(live, picture(protected.edms)) == []


@pytest.mark.long  # leases with a wrong clock are in repository/test_leases_and_clocks
def test_status_does_not_call_a_snapshot_of_tomorrow_young(at: Command, protected: Protected) -> None:
    at(AHEAD, "backup", "--no-flow")
    assert any("in the future" in one for one in read_status(protected.settings).problems)
    protected.backup()
    assert read_status(protected.settings).success


@pytest.mark.long  # of the library alone in repository/test_leases_and_clocks
def test_a_lock_and_a_lease_of_a_run_with_another_clock_are_its_own(at: Command, protected: Protected) -> None:
    """A restore and a backup run by a right clock; prunes by a wrong one leave their snapshot and their lock alone."""
    (first,) = ids(protected)
    protected.backup()
    repository = Repository.open(protected.settings.repository)
    with reading(repository.backend, [first], "restore"):
        assert at(AHEAD, "prune", "--keep-last", "1", "--no-flow")["removed"] == []
    with repository.lock("backup"):
        assert at(AHEAD, "prune", "--keep-last", "1", "--no-flow", code=3)["error"] == "repository-locked"
    assert at(RIGHT, "prune", "--keep-last", "1", "--no-flow")["removed"] == [first]
