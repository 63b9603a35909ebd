"""The same composition in Prefect's world: the same results, and a server that learns titles and nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edms_tasks.errors import CheckFailed, DatabaseRefused
from flows.running.runner import Steps
from flows.running.threads import ThreadRunner

SECRET = "hunter2"


def compose(steps: Steps) -> tuple[object, ...]:
    """A composition that uses all of the protocol."""
    refusals: list[str] = []
    finished: list[int] = []

    def ask(password: str) -> int:
        refusals.append(password)
        if len(refusals) < 2:
            raise DatabaseRefused("not now")
        return len(password)

    def extract(number: int) -> int:
        with steps.progress(f"rows of {number}", 2) as advance:
            advance(1)
        return number * number

    def fail_at_one(number: int) -> None:
        if number == 1:
            raise CheckFailed("number one")
        finished.append(number)

    with steps.stage("inspect"):
        asked = steps.run("ask the database", ask, SECRET, retries=2)
    with steps.stage("extract"):
        extracted = steps.map(lambda n: f"extract documents.{{x}}.{n}", extract, [1, 2, 3], jobs=2, weight=lambda n: n)
    with pytest.raises(CheckFailed, match="number one"):
        steps.map(lambda n: f"serialize {n}", fail_at_one, [0, 1, 2, 3], jobs=1)
    steps.table("models", "Models", [{"model": "documents.Document", "rows": 2**60, "proved": True}], "of the demo")
    steps.markdown("verdict", "# Proved")
    steps.say("done")
    return asked, extracted, finished, list(steps.seconds)


@pytest.mark.slow
def test_both_worlds_give_the_same_and_prefect_records_titles_and_artifacts_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.task_runners import ThreadPoolTaskRunner
    from prefect.testing.utilities import prefect_test_harness

    from flows.running import on_prefect as prefect_steps

    monkeypatch.setattr(prefect_steps, "RETRY_SECONDS", (0.05,) * 4)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=8))
    def composed() -> Any:
        return compose(prefect_steps.PrefectSteps())

    done = {"ask the database", "extract documents.{x}.2", "serialize 1"}
    with prefect_test_harness(server_startup_timeout=60):
        by_prefect = composed()
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs()
            # Task runs are recorded from events, a little later than the flow's own end.
            until = time.monotonic() + 30
            while not done <= {run.name for run in runs} and time.monotonic() < until:
                time.sleep(0.2)
                runs = client.read_task_runs()
            recorded = client.read_artifacts()

    assert by_prefect == compose(ThreadRunner(sleep=lambda seconds: None))
    names = {run.name for run in runs}
    assert done <= names
    assert not {"serialize 2", "serialize 3"} & names
    assert SECRET not in repr([run.model_dump() for run in runs])
    kinds = {artifact.key: artifact.type for artifact in recorded}
    assert kinds["models"] == "table"
    assert kinds["verdict"] == "markdown"
    assert kinds["rows-of-2"] == "progress"
    assert str(2**60) in next(str(artifact.data) for artifact in recorded if artifact.key == "models")
