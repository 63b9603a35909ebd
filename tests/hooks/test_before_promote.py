"""`before_promote` stops the EDMS between the proof and the swap: until then it may be in use."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import HookFailed
from edms_tasks.hook_settings import HooksSettings
from flows.cli.app import app
from flows.requests import RestoreRequest
from flows.restore import restore
from flows.running.run import Run
from tests.backed_up import BackedUp, BackedUpSystems
from tests.running import Protected

_WEB = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT 1 FROM users_user").fetchone()
print("connected", flush=True)
sys.stdin.read()
"""


def _with_hooks(protected: Protected, **hooks: list[list[str]]) -> Run:
    settings = protected.settings
    return Run(settings.model_copy(update={"hooks": HooksSettings.model_validate(hooks)}))


@contextmanager
def _web_server(system: BackedUp) -> Iterator[subprocess.Popen[str]]:
    """A process of the EDMS with an open connection."""
    command = [sys.executable, "-c", _WEB, str(system.protected.edms.database_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def _titles(system: BackedUp) -> set[str]:
    with closing(sqlite3.connect(system.protected.edms.database_path)) as database:
        return {title for (title,) in database.execute("SELECT title FROM documents_document")}


@pytest.mark.long
def test_an_edms_in_use_is_stopped_for_the_swap_alone_and_started_again(backed_up: BackedUpSystems) -> None:
    system = backed_up("sqlite")
    before, log = _titles(system), system.protected.config.parent / "hooks.log"
    note = 'echo "$EDMS_BACKUP_VERB $EDMS_BACKUP_HOOK $EDMS_BACKUP_OUTCOME" >> "$0"'
    with closing(sqlite3.connect(system.protected.edms.database_path)) as database, database:
        database.execute("UPDATE documents_document SET title = 'lost'")
    with _web_server(system) as web:
        stop = f"kill -0 {web.pid} && kill {web.pid} && sleep 1 && "  # it was in use until now
        run = _with_hooks(
            system.protected,
            before_promote=[["sh", "-c", stop + note, str(log)]],
            after_restore=[["sh", "-c", note, str(log)]],
        )
        result = restore.fn(run, RestoreRequest(snapshot=system.first.snapshot_id, confirm=True))

    assert result.verdict == "proved"
    assert _titles(system) == before
    assert log.read_text().splitlines() == ["promote before ", "restore after success"]


def test_a_failing_command_before_the_swap_leaves_the_live_system_as_it_is(backed_up: BackedUpSystems) -> None:
    system = backed_up("sqlite")
    folder = system.protected.edms.media.parent
    beside = sorted(folder.iterdir())
    with closing(sqlite3.connect(system.protected.edms.database_path)) as database, database:
        database.execute("UPDATE documents_document SET title = 'still here'")
    run = _with_hooks(system.protected, before_promote=[["false"]])

    with pytest.raises(HookFailed, match="the live system was not changed") as failed:
        restore.fn(run, RestoreRequest(snapshot=system.first.snapshot_id, confirm=True))

    assert "before_promote `false`" in failed.value.why
    assert _titles(system) == {"still here"}
    assert sorted(folder.iterdir()) == beside


@pytest.mark.long
def test_what_hooks_said_is_in_the_json_of_a_command(backed_up: BackedUpSystems) -> None:
    system = backed_up("sqlite", extra="[hooks]\nbefore_verify = ['echo the disk is mounted']\n")

    done = CliRunner().invoke(app, ["--config", str(system.protected.config), "verify", "--structure", "--json"])

    said = json.loads(done.stdout)["said"]
    assert "  | the disk is mounted" in said
    assert said[0].startswith("· before_verify `echo the disk is mounted`: exit code 0")
