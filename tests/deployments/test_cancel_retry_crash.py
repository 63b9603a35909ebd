"""Each verb through a real server and worker: cancelled, killed, and retried. What deployments/README.md says of that is so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.reader_leases import readers
from edms_tasks.settings import load_settings
from flows.backup import backup
from flows.requests import BackupRequest
from flows.running.run import Run
from tests.deployments.plant import EDMS, Plant
from tests.postgres_server import PostgresServer
from tests.prefect_server import PrefectHomes, wait_for
from tests.reference_system import EdmsTemplates, ReferenceEdmsFactory

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.prefect_server, pytest.mark.timeout(3600)]

_NOTE = 'echo "$EDMS_BACKUP_VERB $EDMS_BACKUP_HOOK $EDMS_BACKUP_OUTCOME" >> "$0"'
# A worker reports a killed process a second time some ten seconds later, and ends a retry that has begun by then.
_SECONDS_OF_THE_WORKER = 25.0
_HOOKED = ("backup", "verify", "restore", "merge", "prune", "copy", "drill")


@dataclass(frozen=True)
class Verb:
    """A verb, how it is started, and points inside it."""

    name: str
    points: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    approved: bool = False

    @property
    def hooked(self) -> bool:
        return self.name in _HOOKED


_LIVE = {"confirm": True, "reason": "a test", "snapshot": "first"}
RESTORE = Verb("restore", ("load documents.Document", "promote the validated copy"), _LIVE, approved=True)
PROMOTED = "after promote the validated copy"
VERBS = (
    Verb("backup", ("extract documents.Document", "serialize")),
    Verb("verify", ("verify documents.Document",)),
    Verb("drill", ("load documents.Document", "validate")),
    Verb("copy", ("copy repository", "after copy repository")),
    Verb("prune", ("prune the repository", "after prune the repository")),
    Verb("convert", ("inspect loaded rows",)),
    RESTORE,
    Verb("merge", ("write", "commit"), _LIVE | {"dry_run": False}, approved=True),
)


class Braked(Plant):
    """A plant whose runs can be held at a point."""

    first_titles: set[str]

    @property
    def brake(self) -> Path:
        return Path(self.extra["EDMS_TEST_BRAKE"])

    def begin(self, verb: Verb, point: str) -> tuple[str, int]:
        """Start a run, approve it if that is needed, and wait until it is held; returns its id and its process."""
        (self.brake / "reached").unlink(missing_ok=True)
        (self.brake / "point").write_text(point)
        run = self.start(verb.name, **verb.parameters)
        if verb.approved:
            self.reaches(run, "PAUSED")
            self.resume(run, edms=EDMS, approved_by="Anna", note="")

        def held() -> int | None:
            state = self.server.api.get(f"/flow_runs/{run}").json()["state"]
            assert state["type"] not in ("FAILED", "CRASHED", "COMPLETED"), state
            reached = self.brake / "reached"
            return int(reached.read_text()) if reached.exists() else None

        return run, wait_for(held, f"{verb.name} at {point}")

    def release(self) -> None:
        (self.brake / "point").unlink(missing_ok=True)

    def traces(self, server: PostgresServer) -> dict[str, Any]:
        """Everything that a run might leave: databases, folders in workdir, staged files, leases, pending hooks."""
        work, repository = self.settings.workdir, Path(self.settings.repository.url)
        kept = {"approvals", "copies", "hooks", "last", "records", "reports", "seen", "signals", "unfinished"}
        return {
            "databases": sorted(server.databases()),
            "workdir": sorted(path.name for path in work.iterdir() if path.is_dir() and path.name not in kept),
            "hooks": [path.name for path in (work / "hooks").glob("*.json")],
            "entries": [path.name for path in (work / "unfinished").glob("*.json")],
            "beside the files": sorted(path.name for path in self.edms.media.parent.iterdir()),
            # A lease of a reader that is gone holds nothing up, and the next prune removes it.
            "leases": sorted(path.name for path in (repository / "locks").glob("*") if "reading-" not in path.name),
            "readers": readers(open_backend(self.settings.repository)),
        }

    def logged(self) -> list[LogEntry]:
        """The entries of the log, oldest first."""
        return list(Repository.open(self.settings.repository).log.backwards())[::-1]

    @property
    def noted(self) -> list[str]:
        """What the hooks noted."""
        path = self.config.parent / "hooks.log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def plant(
    tmp_path_factory: pytest.TempPathFactory,
    _edms_templates: EdmsTemplates,
    prefect_homes: PrefectHomes,
    postgres_server: PostgresServer,
) -> Iterator[Braked]:
    folder = tmp_path_factory.mktemp("braked")
    edms = ReferenceEdmsFactory(_edms_templates, folder / "installations", "braked")("postgresql", documents=5)
    note = ["sh", "-c", _NOTE, str(folder / "etc" / "hooks.log")]
    hooks = "\n".join(f"{moment}_{verb} = [{note!r}]" for verb in _HOOKED for moment in ("before", "after", "error"))
    extra = f'[hooks]\n{hooks}\n[copy]\nurl = "{folder / "copy"}"\n[retention]\nkeep_last = 1\nkeep_tags = ["first"]\n'
    config = edms.settings_file(folder / "etc" / "edms-backup.toml", folder / "repository", extra=extra)
    config.write_text(config.read_text().replace("[edms]\n", f'[edms]\nid = "{EDMS}"\n'))
    made = backup.fn(Run(load_settings(config)), BackupRequest(tag="first"))
    (folder / "brake").mkdir()
    (folder / "old.json").write_text(edms.manage("dumpdata").stdout)
    environment = {
        "EDMS_TEST_BRAKE": str(folder / "brake"),
        "PYTHONPATH": str(Path(__file__).parent / "brake"),
        "PATH": os.environ["PATH"],  # pg_dump
    }
    plant = Braked(edms, config, prefect_homes(folder / "prefect"), made.snapshot_id, environment)
    with plant.running:
        plant.first_titles = plant.titles()
        yield plant
    postgres_server.drop_databases("braked")


CASES = [
    pytest.param(verb, point, id=f"{verb.name}-{point.replace(' ', '_')}") for verb in VERBS for point in verb.points
]


def _started(verb: Verb, plant: Braked) -> Verb:
    if verb.name == "convert":
        path = plant.config.parent.parent / "old.json"
        return Verb(verb.name, verb.points, {"path": str(path), "inspect": False})
    return verb


@pytest.mark.parametrize(("verb", "point"), CASES)
def test_a_cancelled_run_cleans_up_at_once_and_the_next_is_not_in_its_way(
    plant: Braked, postgres_server: PostgresServer, verb: Verb, point: str
) -> None:
    verb = _started(verb, plant)
    plant.change("as it is now")
    before, noted = plant.traces(postgres_server), len(plant.noted)

    run, process = plant.begin(verb, point)
    plant.set_state(run, type="CANCELLING", name="Cancelling")
    plant.reaches(run, "CANCELLED")
    wait_for(lambda: not Path(f"/proc/{process}").exists(), "the end of the process")
    plant.release()

    assert plant.traces(postgres_server) == before
    assert plant.titles() == {"as it is now"}
    if verb.hooked:
        assert plant.noted[noted:] == [
            f"{verb.name} before ",
            f"{verb.name} after stopped",
            f"{verb.name} error stopped",
        ]
    last = plant.last_logged()
    assert (last.event, last.outcome) == (verb.name, "stopped")


@pytest.mark.parametrize(("verb", "point"), [*CASES, pytest.param(RESTORE, PROMOTED, id="restore-promoted")])
def test_a_killed_run_is_swept_and_its_retry_goes_on_without_asking_and_promotes_once(
    plant: Braked, postgres_server: PostgresServer, verb: Verb, point: str
) -> None:
    verb = _started(verb, plant)
    plant.change("as it is now")
    before, noted, logged = plant.traces(postgres_server), len(plant.noted), len(plant.logged())

    run, process = plant.begin(verb, point)
    os.kill(process, signal.SIGKILL)
    plant.reaches(run, "CRASHED")
    plant.release()
    assert (plant.titles() == {"as it is now"}) == (point != PROMOTED)
    time.sleep(_SECONDS_OF_THE_WORKER)
    crashed = plant.state(run)
    plant.set_state(run, type="SCHEDULED", name="AwaitingRetry")
    said = plant.reaches(run, "COMPLETED", fresh=crashed)

    after = plant.traces(postgres_server)
    kept = set(after["databases"]) - set(before["databases"])
    # What a restore replaced is kept. The database of a killed conversion is removed by the next restore.
    left = {"restore": "previous", "convert": "_convert_"}.get(verb.name)
    assert len(kept) == (1 if left else 0)
    assert all(left in name for name in kept if left)
    # A retry that has nothing to do leaves the folder to the next restore.
    for place in ("hooks", "entries", "leases") if point == PROMOTED else ("workdir", "hooks", "entries", "leases"):
        assert after[place] == before[place], place
    assert plant.titles() == ({"as it is now"} if not verb.approved else plant.first_titles)
    assert ("Already promoted" in said) == (point == PROMOTED)
    if verb.hooked:
        ended = [f"{verb.name} before ", f"{verb.name} after killed", f"{verb.name} error killed"]
        retried = [f"{verb.name} before ", f"{verb.name} after success"]
        assert plant.noted[noted:][: len(ended)] == ended
        assert plant.noted[noted:][len(ended) :] == retried
    told = [(one.event, one.outcome) for one in plant.logged()[logged:] if one.event == verb.name]
    if point == PROMOTED:
        assert told == [(verb.name, "success")]
    elif verb.name != "convert":  # it has no hooks either: a conversion makes a snapshot of another system
        assert told == [(verb.name, "stopped"), (verb.name, "success")]


def _more(after: dict[str, Any], before: dict[str, Any]) -> dict[str, list[str]]:
    """What is there and was not before. What was is perhaps not: a run also removes what an earlier one, killed, had left to it."""
    return {place: new for place in after if (new := sorted(set(after[place]) - set(before[place])))}


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_a_drill_that_was_ended_is_not_in_the_way_of_the_next_one_which_goes_to_its_end(
    plant: Braked, postgres_server: PostgresServer, how: str
) -> None:
    (drill,) = (verb for verb in VERBS if verb.name == "drill")
    plant.change("as it is now")
    before, noted, logged = plant.traces(postgres_server), len(plant.noted), len(plant.logged())
    first, process = plant.begin(drill, "validate")
    if how == "cancelled":
        plant.set_state(first, type="CANCELLING", name="Cancelling")
        plant.reaches(first, "CANCELLED")
        wait_for(lambda: not Path(f"/proc/{process}").exists(), "the end of the process")
        assert _more(plant.traces(postgres_server), before) == {}
    else:
        os.kill(process, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{process}").exists(), "the end of the process")
    plant.release()

    run = plant.start("drill")
    plant.reaches(run, "COMPLETED")

    assert _more(plant.traces(postgres_server), before) == {}
    assert plant.titles() == {"as it is now"}
    outcome = "stopped" if how == "cancelled" else "killed"
    assert plant.noted[noted:] == [
        "drill before ",
        f"drill after {outcome}",
        f"drill error {outcome}",
        "drill before ",
        "drill after success",
    ]
    ended, passed = plant.logged()[logged:]
    assert (ended.event, ended.outcome) == ("drill", "stopped")
    assert (ended.facts["run"], ended.facts.get("killed", False)) == (first, how == "killed")
    assert (passed.event, passed.outcome, passed.facts["verdict"]) == ("drill", "success", "proved")
    assert passed.facts["run"] == run
    assert "report" in passed.facts
