"""Verbs through a real server and worker that are cancelled: what deployments/README.md says of that is so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
_HOOKED = ("backup", "verify", "copy", "prune")


@dataclass(frozen=True)
class Verb:
    """A verb, how it is started, and points inside it."""

    name: str
    points: tuple[str, ...]


VERBS = (
    Verb("backup", ("extract documents.Document",)),
    Verb("verify", ("verify documents.Document",)),
    Verb("copy", ("copy repository",)),
    Verb("prune", ("prune the repository",)),
)


class Braked(Plant):
    """A plant whose runs can be held at a point."""

    @property
    def brake(self) -> Path:
        return Path(self.extra["EDMS_TEST_BRAKE"])

    def begin(self, verb: Verb, point: str) -> tuple[str, int]:
        """Start a run, and wait until it is held; returns its id and its process."""
        (self.brake / "reached").unlink(missing_ok=True)
        (self.brake / "point").write_text(point)
        run = self.start(verb.name)

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
        kept = {"reports", "hooks", "signals"}
        return {
            "databases": sorted(server.databases()),
            "workdir": sorted(path.name for path in work.iterdir() if path.is_dir() and path.name not in kept),
            "hooks": [path.name for path in (work / "hooks").glob("*.json")],
            "beside the files": sorted(path.name for path in self.edms.media.parent.iterdir()),
            "leases": sorted(path.name for path in (repository / "locks").glob("*")),
        }

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
    environment = {
        "EDMS_TEST_BRAKE": str(folder / "brake"),
        "PYTHONPATH": str(Path(__file__).parent / "brake"),
        "PATH": os.environ["PATH"],  # pg_dump
    }
    plant = Braked(edms, config, prefect_homes(folder / "prefect"), made.snapshot_id, environment)
    with plant.running:
        yield plant
    postgres_server.drop_databases("braked")


CASES = [
    pytest.param(verb, point, id=f"{verb.name}-{point.replace(' ', '_')}") for verb in VERBS for point in verb.points
]


@pytest.mark.parametrize(("verb", "point"), CASES)
def test_a_cancelled_run_cleans_up_at_once_and_the_next_is_not_in_its_way(
    plant: Braked, postgres_server: PostgresServer, verb: Verb, point: str
) -> None:
    plant.change("as it is now")
    before, noted = plant.traces(postgres_server), len(plant.noted)

    run, process = plant.begin(verb, point)
    plant.set_state(run, type="CANCELLING", name="Cancelling")
    plant.reaches(run, "CANCELLED")
    wait_for(lambda: not Path(f"/proc/{process}").exists(), "the end of the process")
    plant.release()

    assert plant.traces(postgres_server) == before
    assert plant.titles() == {"as it is now"}
    assert plant.noted[noted:] == [f"{verb.name} before ", f"{verb.name} after stopped", f"{verb.name} error stopped"]
    last = plant.last_logged()
    assert (last.event, last.outcome) == (verb.name, "stopped")
