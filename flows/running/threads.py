"""Tasks on threads of this process: progress bars on a terminal, otherwise plain lines. No Prefect.

Evidence (`table`, `markdown`) is not printed here: the command's closing summary names the same facts.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from edms_tasks.errors import TransientError
from edms_tasks.files.progress import Progress
from flows.running.flow_decorators import Task
from flows.running.printable import printable
from flows.running.progress_estimate import Pace, Told
from flows.running.question import Question
from flows.running.runner import RETRY_SECONDS, heaviest_first
from flows.running.said_lines import note_said

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

P = ParamSpec("P")
Item = TypeVar("Item")
Made = TypeVar("Made")

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_BARS = 0.1
_WIDE = 110  # columns of a terminal


class ThreadRunner:
    """Runs tasks on threads of this process.

    Args:
        console: console for progress; None for none (`--json`).
        sleep: function that waits before a retry.
    """

    run_id = ""
    deployed = False
    started_by = ""

    def __init__(self, console: Console | None = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.seconds: dict[str, float] = {}
        self._teller = _teller(console)
        self._sleep = sleep
        self._stage = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        outer, self._stage = self._stage, name
        began = time.monotonic()
        try:
            with self._teller.stage(name):
                yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
            self._stage = outer

    @contextmanager
    def tagged(self, *tags: str) -> Iterator[None]:
        """Nothing: nobody filters threads."""
        yield

    def call(self, task: Task[P, Made], /, *args: P.args, **kwargs: P.kwargs) -> Made:
        """Run a task once, in this thread."""
        title = task.title(*args, **kwargs)
        with self._teller.step(title):
            return self._attempt(title, partial(task.fn, *args, **kwargs), task.retries)

    def map(
        self,
        jobs: int,
        task: Task[Concatenate[Item, P], Made],
        items: Sequence[Item],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> list[Made]:
        """Run a task for each item in a pool of `jobs` threads."""
        weights = [max(1, task.weight(item)) if task.weight else 1 for item in items]
        failed = threading.Event()

        def one(position: int) -> Made:
            # A free worker takes the next item sooner than this thread can cancel it.
            if failed.is_set():
                raise CancelledError
            try:
                made = self.call(task, items[position], *args, **kwargs)
            except BaseException:
                failed.set()
                raise
            advance(weights[position])
            return made

        if not items:
            return []
        with (
            self.progress(self._stage or task.name, sum(weights)) as advance,
            ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="task") as pool,
        ):
            futures: dict[int, Future[Made]] = {}
            try:
                for position in heaviest_first(items, task.weight):
                    futures[position] = pool.submit(one, position)
                wait(futures.values(), return_when=FIRST_EXCEPTION)
            finally:
                # Also on Ctrl-C: start no more items, and wait for those that run.
                if any(not future.done() for future in futures.values()):
                    failed.set()
                pool.shutdown(wait=True, cancel_futures=True)
            for future in futures.values():
                if future.cancelled() or (error := future.exception()) is None or isinstance(error, CancelledError):
                    continue
                raise error
            return [futures[position].result() for position in range(len(items))]

    @contextmanager
    def progress(self, title: str, total: int = 0, size: int = 0) -> Iterator[Progress]:
        """Show how a loop advances."""
        with self._teller.progress(title, Pace(title.partition(" ")[0], total, size)) as told:
            yield told

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Nothing: the command's summary shows it."""

    def markdown(self, key: str, text: str) -> None:
        """Nothing: the command's summary shows it."""

    def ask(self, question: Question) -> Mapping[str, str] | None:
        """Nobody is asked: who runs this sits at a terminal, or has passed --yes."""
        return None

    def emit(self, event: str, edms: str, facts: Mapping[str, object]) -> None:
        """Nobody listens."""

    def say(self, line: str) -> None:
        """Print the line."""
        note_said(printable(line))
        self._teller.say(line)

    def _attempt(self, title: str, call: Callable[[], Made], retries: int) -> Made:
        for attempt in range(retries):
            try:
                return call()
            except TransientError as error:
                pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                self.say(f"{title}: {error.what} Again in {pause:.0f} s.")
                self._sleep(pause)
        return call()


class _Silence:
    """No progress (`--json`)."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        yield

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        yield

    @contextmanager
    def progress(self, title: str, pace: Pace) -> Iterator[Progress]:
        yield Told(pace, lambda pace: None, every=math.inf)

    def say(self, line: str) -> None:
        """Say nothing."""


class _Lines(_Silence):
    """A line per stage, and one every few seconds during long stages: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.say(f"{name}: {time.monotonic() - began:.1f} s")

    @contextmanager
    def progress(self, title: str, pace: Pace) -> Iterator[Progress]:
        def tell(pace: Pace) -> None:
            percent = "" if pace.fraction is None else f"{int(100 * pace.fraction)} %, "
            self.say(f"{title}: {percent}{pace}")

        yield Told(pace, tell, every=_SECONDS_BETWEEN_LINES)

    def say(self, line: str) -> None:
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


class _Bars(_Lines):
    """Progress bars; each finished stage leaves one line."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._lock = threading.Lock()
        self._open = 0
        self._bars: Bars | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.say(f"✓ {name:<12} {time.monotonic() - began:6.1f} s")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        with self._bar(f"  {title}", None):
            yield

    @contextmanager
    def progress(self, title: str, pace: Pace) -> Iterator[Progress]:
        with self._bar(title, None) as (bars, bar):

            def tell(pace: Pace) -> None:
                text = str(pace) if _is_wide(self._console) else pace.brief
                if pace.fraction is None:
                    bars.update(bar, pace=text)
                else:
                    bars.update(bar, completed=pace.fraction, total=1.0, pace=text)

            yield Told(pace, tell, every=_SECONDS_BETWEEN_BARS)

    @contextmanager
    def _bar(self, title: str, total: int | None) -> Iterator[tuple[Bars, TaskID]]:
        bars = self._enter()
        bar = bars.add_task(printable(title), total=total, pace="")
        try:
            yield bars, bar
        finally:
            bars.remove_task(bar)
            self._leave()

    def _enter(self) -> Bars:
        with self._lock:
            if self._bars is None:
                self._bars = _new_bars(self._console)
                self._bars.start()
            self._open += 1
            return self._bars

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if not self._open and self._bars is not None:
                self._bars.stop()
                self._bars = None


def _teller(console: Console | None) -> _Silence:
    if console is None:
        return _Silence()
    return _Bars(console) if console.is_terminal else _Lines(console)


def _new_bars(console: Console) -> Bars:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
        TimeElapsedColumn(),
    ]
    if not _is_wide(console):  # what is left says more than a bar and the time that has passed
        columns = [columns[1], columns[3], columns[4]]
    return Progress(*columns, console=console, transient=True)


def _is_wide(console: Console) -> bool:
    return console.width >= _WIDE
