"""Steps as tasks of the Prefect flow that is running: named by what they do, retried where a retry can help.

A task's only parameter is its title. What it works on is bound in a closure: Prefect walks and records parameters,
which would be slow for large values and wrong for secret ones. Results are neither cached nor persisted: a cached
result outlives the run, and does not prove that what it stands for still exists.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import Task, get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from edms_tasks.errors import TransientError
from flows.evidence.markdown import plain
from flows.running.printable import printable
from flows.running.runner import RETRY_SECONDS, Item, Made, heaviest_first

_SECONDS_BETWEEN_UPDATES = 2.0
Left = TypeVar("Left")


class PrefectSteps:
    """Runs a composition inside a flow; make it in the flow's own function."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._deaf = False  # Prefect did not take an artifact: the work goes on without

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = time.monotonic()
        try:
            yield
        finally:
            taken = time.monotonic() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + taken
            self.say(f"{name}: {taken:.1f} s")

    def run(self, title: str, function: Callable[..., Made], /, *args: object, retries: int = 0) -> Made:
        """Do one step, as a task in the flow's own thread."""
        return _task_of(title, lambda: function(*args), retries)(title)

    def map(
        self,
        title: Callable[[Item], str],
        function: Callable[[Item], Made],
        items: Sequence[Item],
        /,
        *,
        jobs: int,
        weight: Callable[[Item], int] | None = None,
        retries: int = 0,
    ) -> list[Made]:
        """Do a step for each item, as tasks of the flow's task runner."""
        waiting = heaviest_first(items, weight)[::-1]
        running: dict[int, PrefectFuture[Made]] = {}
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        made: dict[int, Made] = {}
        failure: BaseException | None = None

        def start(position: int) -> None:
            item = items[position]
            name = title(item)
            running[position] = _task_of(name, lambda: function(item), retries).submit(name)
            running[position].add_done_callback(lambda _: ended.put(position))

        # Only `jobs` tasks are submitted at a time. The runner would start all that it was given, failure or not.
        while running or (waiting and failure is None):
            while waiting and failure is None and len(running) < max(1, jobs):
                start(waiting.pop())
            position = ended.get()
            try:
                made[position] = running.pop(position).result()
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return [made[position] for position in range(len(items))]

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how a loop advances, as a progress artifact of the task or flow that is running."""
        artifact = self._leave(
            lambda: cast(UUID, create_progress_artifact(0.0, key=artifact_key(title), description=plain(title)))
        )
        lock = threading.Lock()
        done, told = 0, time.monotonic()

        def advance(increment: int) -> None:
            nonlocal done, told
            with lock:
                done += increment
                now = time.monotonic()
                if now - told < _SECONDS_BETWEEN_UPDATES:
                    return
                told = now
                percent = min(99.0, 100 * done / total) if total else 0.0
                description = title if total else f"{title}: {done:,}"
            if artifact is not None:
                self._leave(lambda: update_progress_artifact(artifact, percent, plain(description)))

        yield advance
        if artifact is not None:
            self._leave(lambda: update_progress_artifact(artifact, 100.0))

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Leave a table artifact."""
        self._leave(
            lambda: create_table_artifact(
                [{name: _cell(value) for name, value in row.items()} for row in rows],
                key=artifact_key(key),
                description="\n\n".join(part for part in (f"### {plain(title)}", plain(description)) if part),
            )
        )

    def markdown(self, key: str, text: str) -> None:
        """Leave a markdown artifact; whoever makes the text has escaped what is a stranger's (`markdown.plain`)."""
        self._leave(lambda: create_markdown_artifact(text, key=artifact_key(key)))

    def _leave(self, make: Callable[[], Left]) -> Left | None:
        """Leave an artifact. A server that does not take it is no reason to stop a backup, or a restore at its end."""
        if self._deaf:
            return None
        try:
            return make()
        except Exception as error:
            self._deaf = True
            self.say(
                f"Prefect did not take an artifact, and is left none from here on: {type(error).__name__}: {error}"
            )
            return None

    def say(self, line: str) -> None:
        """Log the line with the run."""
        get_run_logger().info("%s", printable(line))


def artifact_key(text: str) -> str:
    """A key as Prefect wants it: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "edms-backup"


def _task_of(title: str, call: Callable[[], Made], retries: int) -> Task[[str], Made]:
    def step(title: str) -> Made:
        return call()

    return Task(
        step,
        name=title.split()[0] if title.split() else "step",
        task_run_name="{title}",
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=retries,
        retry_delay_seconds=list(RETRY_SECONDS[:retries]) or None,
        retry_condition_fn=_may_pass,
    )


def _may_pass(task: Task[..., Any], run: Any, state: Any) -> bool:
    """Whether a retry can help: the error itself says so."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


def _cell(value: object) -> object:
    # A browser reads numbers as doubles; beyond 2**53 it would show another number than the one that was found.
    if isinstance(value, bool | None) or (isinstance(value, int | float) and abs(value) < 2**53):
        return value
    # A cell may be read as Markdown: a link in a name is shown and is none.
    return printable(str(value).replace("](", "] ("))
