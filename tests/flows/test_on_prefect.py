"""The same tasks on Prefect and on threads: the same results; and a server that learns names and edges, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.orchestrator import Counter
from edms_tasks.errors import CheckFailed, DatabaseRefused
from flows.running.flow_decorators import task
from flows.running.runner import Runner
from flows.running.threads import ThreadRunner
from tests.prefect_server import PrefectHomes, prefect_server

SECRET = "hunter2"


@dataclass(frozen=True)
class Asked:
    length: int
    refusals: list[str]


@dataclass(frozen=True)
class Extracted:
    number: int
    asked: Asked


@task(name="ask database", tags=["inspect"], retries=2)
def ask(refusals: list[str], password: str) -> Asked:
    refusals.append(password)
    if len(refusals) < 2:
        raise DatabaseRefused("not now")
    return Asked(len(password), refusals)


@task(name="extract table", tags=["extract"], task_run_name="extract {number}", weight=lambda number: number.value)
def extract(number: Number, asked: Asked, runner: Runner) -> Extracted:
    with runner.progress(f"rows of {number.value}", 2) as advance:
        advance(1)
    return Extracted(number.value**2, asked)


@dataclass(frozen=True)
class Number:
    value: int
    asked: Asked | None = None

    def __str__(self) -> str:
        return f"documents.{{x}}.{self.value}"


@task(name="serialize table", tags=["serialize"], task_run_name="serialize {number}")
def fail_at_one(number: int, finished: list[int]) -> None:
    if number == 1:
        raise CheckFailed("number one")
    finished.append(number)


@dataclass
class Watched:
    """How many run at once."""

    lock: Any = field(default_factory=threading.Lock)
    now: int = 0
    peak: int = 0
    done: int = 0


@task(name="work", tags=["limited"])
def work_a_while(number: int, watched: Watched) -> None:
    with watched.lock:
        watched.now += 1
        watched.peak = max(watched.peak, watched.now)
    time.sleep(0.3)
    with watched.lock:
        watched.now -= 1
        watched.done += 1


class Cancelled(BaseException):
    """As Prefect raises one of its own, from a signal's handler."""


@task(name="work on", tags=["cancelled"])
def be_cancelled_at_work(number: int, ended: list[int]) -> None:
    if number == 1:
        os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(1.0)
    ended.append(number)


@dataclass
class Done:
    asked: int = 0
    extracted: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)


def everything(runner: Runner) -> Done:
    """A flow that uses all of the protocol."""
    done = Done()
    with runner.tagged("sqlite"), runner.stage("inspect"):
        asked = runner.call(ask, [], SECRET)
    with runner.stage("extract"):
        numbers = [Number(value, asked) for value in (1, 2, 3)]
        done.extracted = [one.number for one in runner.map(2, extract, numbers, asked, runner)]
    with pytest.raises(CheckFailed, match="number one"):
        runner.map(1, fail_at_one, [0, 1, 2, 3], done.finished)
    runner.table("models", "Models", [{"model": "documents.Document", "rows": 2**60, "proved": True}], "of the demo")
    runner.markdown("verdict", "# Proved")
    runner.say("done")
    done.asked, done.stages = asked.length, list(runner.seconds)
    return done


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, prefect_homes: PrefectHomes) -> Iterator[None]:
    """A server that flows in this process are recorded by."""
    folder = tmp_path_factory.mktemp("records")
    with prefect_server(prefect_homes(folder / "prefect"), folder / "no-settings") as server:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: server.env["PREFECT_API_URL"]}):
            yield


@pytest.mark.long
@pytest.mark.slow
def test_a_run_asks_for_limits_once_and_a_loop_that_soon_ends_leaves_no_artifact(records: None) -> None:
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.running import on_prefect

    @flow
    def short() -> Any:
        runner = on_prefect.PrefectRunner()
        asked = runner.call(ask, ["before"], SECRET)
        return runner.map(2, extract, [Number(1, asked), Number(2, asked)], asked, runner)

    counter = Counter(int(str(PREFECT_API_URL.value()).rsplit(":")[-1].partition("/")[0]))
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{counter.own_port}/api"}):
        short()

    assert [path for path in counter.requests if "concurrency" in path] == ["/api/v2/concurrency_limits/filter"]
    assert not [path for path in counter.requests if "artifacts" in path]


@pytest.mark.long
@pytest.mark.slow
def test_a_limit_on_a_stages_tag_holds_in_the_runs_that_begin_after_it_was_made(records: None) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.running import on_prefect

    watched, before = Watched(), Watched()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=8))
    def limited() -> None:
        on_prefect.PrefectRunner().map(3, work_a_while, [1, 2, 3], now[0])

    now = [before]
    limited()
    with get_client(sync_client=True) as client:
        client.create_concurrency_limit(tag="limited", concurrency_limit=1)
        try:
            now = [watched]
            limited()
        finally:
            client.delete_concurrency_limit_by_tag(tag="limited")

    assert (before.done, watched.done) == (3, 3)
    assert before.peak > 1
    assert watched.peak == 1


@pytest.mark.slow
def test_a_cancelled_run_begins_nothing_more_and_lets_tasks_end_before_it_cleans_up(records: None) -> None:
    from prefect import flow

    from flows.running import on_prefect

    ended: list[int] = []
    when_cleaned_up: list[int] = []

    def cancel(number: int, frame: object) -> None:
        raise Cancelled

    @flow
    def cancelled() -> None:
        try:
            on_prefect.PrefectRunner().map(2, be_cancelled_at_work, [1, 2, 3, 4], ended)
        except Cancelled:
            when_cleaned_up.extend(ended)

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        cancelled()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert sorted(when_cleaned_up) in ([1], [1, 2])  # the second may not have begun
    assert ended == when_cleaned_up


@pytest.mark.slow
def test_both_runners_give_the_same_result_and_prefect_records_only_names_edges_and_artifacts(
    records: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.running import on_prefect

    monkeypatch.setattr(on_prefect, "RETRY_SECONDS", (0.05,) * 4)
    monkeypatch.setattr(on_prefect, "_SECONDS_BETWEEN_UPDATES", 0.0)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=8))
    def composed() -> Any:
        return everything(on_prefect.PrefectRunner())

    expected = {"ask database", "extract documents.{x}.2", "serialize 1"}
    by_prefect = composed()
    ours = FlowFilter(name=FlowFilterName(any_=["composed"]))  # the server has the runs of other tests, too
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_filter=ours)
        # Task runs are recorded from events, a little later than the flow's own end.
        until = time.monotonic() + 300
        while not expected <= {run.name for run in runs} and time.monotonic() < until:
            time.sleep(0.2)
            runs = client.read_task_runs(flow_filter=ours)
        recorded = client.read_artifacts()

    assert by_prefect == everything(ThreadRunner(sleep=lambda seconds: None))
    named = {run.name: run for run in runs}
    assert expected <= set(named)
    assert not {"serialize 2", "serialize 3"} & set(named)
    assert SECRET not in repr([run.model_dump() for run in runs])
    assert len({run.task_key for run in runs}) == 3  # as many as there are kinds of task
    edges = [made.id for inputs in named["extract documents.{x}.2"].task_inputs.values() for made in inputs]  # type: ignore[union-attr]
    assert edges == [named["ask database"].id]
    assert {"inspect", "sqlite"} <= set(named["ask database"].tags)
    assert "sqlite" not in named["serialize 0"].tags
    kinds = {artifact.key: artifact.type for artifact in recorded}
    assert kinds["models"] == "table"
    assert kinds["verdict"] == "markdown"
    assert kinds["rows-of-2"] == "progress"
    assert str(2**60) in next(str(artifact.data) for artifact in recorded if artifact.key == "models")
