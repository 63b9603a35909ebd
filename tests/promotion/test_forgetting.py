"""What restores set aside is removed by a prune after a time: its database and its folders, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.prune import PruneResult, prune
from flows.requests import PruneRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture
from tests.reference_system import Engine
from tests.running import Protected

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]


def _prune(protected: Protected, **options: Any) -> PruneResult:
    asked = {"keep_last": 9, "keep_set_aside": "14d", "dry_run": False} | options
    return prune.fn(Run(protected.settings), PruneRequest(**asked))


def _grow_old(protected: Protected, days: int) -> None:
    """Let what was set aside be as old as that, by the stamps in the journal; names of databases and folders stay."""
    path = protected.settings.workdir / "promotions.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    for number, entry in enumerate(entries):
        then = datetime.now(UTC) - timedelta(days=days) + timedelta(minutes=number)
        entry["stamp"] = then.strftime("%Y%m%dT%H%M%S")
    path.write_text(json.dumps(entries), encoding="utf-8")


def _kept(protected: Protected) -> set[str]:
    """Names beside the live folder and file that a swap made."""
    folder = protected.edms.media.parent  # an SQLite file stands in it too
    return {path.name for path in folder.iterdir() if ".previous-" in path.name or ".undone-" in path.name}


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_what_was_set_aside_goes_when_it_is_old(engine: Engine, backed_up: BackedUpSystems) -> None:
    protected = backed_up(engine).protected
    assert protected.restore().promoted
    live, kept = picture(protected.edms), _kept(protected)
    assert kept

    assert _prune(protected).set_aside == (), "it is of today"
    _grow_old(protected, days=15)
    (planned,) = _prune(protected, dry_run=True).set_aside
    assert planned.database and planned.folders and not planned.removed
    assert _kept(protected) == kept
    (done,) = _prune(protected).set_aside
    assert done.removed and done.why_not == ""
    assert (done.database, done.folders) == (planned.database, planned.folders)
    assert _kept(protected) == set() and not any(Path(folder).exists() for folder in done.folders)
    assert differences(live, picture(protected.edms)) == []
    assert _prune(protected).set_aside == ()
    assert protected.backup().verified


def test_another_file_of_that_name_and_what_a_kill_left(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite").protected
    assert protected.restore().promoted
    _grow_old(protected, days=15)
    (planned,) = _prune(protected, dry_run=True).set_aside
    database = Path(planned.database)
    kept = database.with_name("kept")
    database.rename(kept)
    database.write_bytes(b"of somebody else")
    assert _prune(protected).set_aside == ()
    assert database.read_bytes() == b"of somebody else" and all(Path(folder).is_dir() for folder in planned.folders)

    # A kill after the database was dropped leaves the folders.
    database.unlink()
    (done,) = _prune(protected).set_aside
    assert done.removed and done.database == "" and done.folders == planned.folders
    assert not any(Path(folder).exists() for folder in done.folders)


def test_a_restore_that_runs_or_an_edms_that_cannot_be_asked_stops_only_this(
    backed_up: BackedUpSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected = backed_up("sqlite").protected
    assert protected.restore().promoted
    _grow_old(protected, days=15)
    kept = _kept(protected)
    monkeypatch.setenv("EDMS_BACKUP__EDMS__PYTHON", "/bin/false")
    result = _prune(protected)
    assert result.set_aside == () and "left as it is" in result.notes[-1]
    assert _kept(protected) == kept
