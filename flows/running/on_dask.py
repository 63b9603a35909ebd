"""Tasks on the workers of a Dask cluster. The runner is a wrapper around another one, which shows or records what runs where.

A task that a worker can do (`anywhere`) is handed over as bytes, and this process waits for its result; so on Prefect it is the
same task run as on threads, and workers need no access to Prefect. All other tasks run in this process.
"""

from __future__ import annotations

import importlib
import pickle
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from edms_tasks.databases.engines import is_file
from edms_tasks.errors import SettingsError, WorkersUnreachable
from edms_tasks.files.progress import Progress
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.running.flow_decorators import Task
from flows.running.question import Question
from flows.running.runner import Runner
from flows.running.sent_values import NotSent, Sender
from flows.running.worker import TOKEN, Order, Sent, differ, differences, perform, portray, versions_here

Item = TypeVar("Item")
Made = TypeVar("Made")
P = ParamSpec("P")

_SECONDS_TO_CONNECT = 10
_SECONDS_BETWEEN_LOOKS = 5
_SECONDS_WITHOUT_WORKERS = 60
_MOST_AT_ONCE = 64


@contextmanager
def on_dask(settings: Settings, runner: Runner) -> Iterator[DaskRunner]:
    """Connect to the cluster of the settings, and look at each worker, before any work.

    Raises:
        SettingsError: Dask is not installed, or there is no such class of clusters.
        WorkersUnreachable: the scheduler does not answer, or has no workers.
        WorkersDiffer: a worker is not like this process.
    """
    with run_folder(settings.scratch, "dask") as folder, _connected(settings) as client:
        token = secrets.token_hex(16)
        (folder / TOKEN).write_text(token)
        _require_alike(client, settings, folder, token)
        yield DaskRunner(runner, client, settings, folder, token)


class DaskRunner:
    """Hands tasks to workers; everything else is the inner runner's."""

    def __init__(self, inner: Runner, client: Any, settings: Settings, folder: Path, token: str) -> None:
        self.seconds = inner.seconds
        self.run_id = inner.run_id
        self.deployed = inner.deployed
        self.started_by = inner.started_by
        self._inner = inner
        self._client = client
        self._settings = settings
        self._folder = folder
        self._token = token
        self._sender = Sender(settings)
        self._told: set[str] = set()

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time a stage."""
        return self._inner.stage(name)

    def tagged(self, *tags: str) -> AbstractContextManager[None]:
        """Give the tasks inside more tags. Raises SettingsError for an engine whose databases are files."""
        for tag in tags:
            if is_file(tag):
                raise SettingsError(
                    "A database that is a file cannot be read or written by workers on other machines.",
                    where='[run] on = "dask"',
                    why=f"The EDMS's database is {tag}, which has no server.",
                    fix='Set [run] on = "threads" for this EDMS.',
                )
        return self._inner.tagged(*tags)

    def call(self, task: Task[P, Made], /, *args: P.args, **kwargs: P.kwargs) -> Made:
        """Run a task once, in this process."""
        return self._inner.call(task, *args, **kwargs)

    def map(
        self,
        jobs: int,
        task: Task[Concatenate[Item, P], Made],
        items: Sequence[Item],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> list[Made]:
        """Run a task for each item: on the workers, as many at a time as they have threads, or in this process."""
        may = task.anywhere
        if may is None or not any(may(item, *args, **kwargs) for item in items):
            return self._inner.map(jobs, task, items, *args, **kwargs)
        shared = self._folder / f"shared-{secrets.token_hex(8)}"
        try:
            given = signature(task.fn).bind(items[0], *args, **kwargs).arguments
            parameters = list(given.items())[1:]
            sent = {name: Sent(self._sender.pickled(value)) for name, value in parameters}
            shared.write_bytes(pickle.dumps(sent, protocol=5))
        except NotSent as why:
            self._say_once(f"{task.name}: on this machine, not on workers: {why}.")
            return self._inner.map(jobs, task, items, *args, **kwargs)
        try:
            elsewhere = self._elsewhere(task, shared)
            return self._inner.map(max(jobs, self._threads()), elsewhere, items, *args, **kwargs)
        finally:
            shared.unlink()

    def progress(self, title: str, total: int = 0, size: int = 0) -> AbstractContextManager[Progress]:
        """Show how a loop advances."""
        return self._inner.progress(title, total, size)

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Record a table."""
        self._inner.table(key, title, rows, description)

    def markdown(self, key: str, text: str) -> None:
        """Record a text."""
        self._inner.markdown(key, text)

    def ask(self, question: Question) -> Mapping[str, str] | None:
        """Ask people."""
        return self._inner.ask(question)

    def emit(self, event: str, edms: str, facts: Mapping[str, object]) -> None:
        """Send an event."""
        self._inner.emit(event, edms, facts)

    def say(self, line: str) -> None:
        """Print or log one line."""
        self._inner.say(line)

    def _elsewhere(self, task: Task[Any, Made], shared: Path) -> Task[Any, Made]:
        """The same task, whose function lets a worker do it where one can."""
        here = task.fn
        may = task.anywhere
        assert may is not None

        @wraps(here)
        def handed_over(item: object, /, *args: Any, **kwargs: Any) -> Made:
            if not may(item, *args, **kwargs):
                return here(item, *args, **kwargs)
            name, title = f"{here.__module__}:{here.__qualname__}", task.title(item, *args, **kwargs)
            made: Made = self._performed(name, title, item, shared)
            return made

        return replace(task, fn=handed_over)

    def _performed(self, name: str, title: str, item: object, shared: Path) -> Any:
        order = Order(
            folder=str(self._folder),
            token=self._token,
            versions=versions_here(),
            repository=self._settings.repository.url,
            task=name,
            shared=str(shared),
            item=self._sender.pickled(item),
        )
        future = self._client.submit(perform, order.plain(), key=f"{title}-{secrets.token_hex(8)}", pure=False)
        try:
            made, error, written = self._sender.unpickled(self._waited_for(future, title))
        finally:
            future.release()
        if error is not None:
            raise error
        for place, names in written.items():
            self._sender.repositories[place].objects.written |= names
        return made

    def _waited_for(self, future: Any, title: str) -> bytes:
        """The result of a future. A worker that is lost is no failure: Dask gives its tasks to others."""
        from distributed import CancelledError, KilledWorker

        without = 0
        while True:
            try:
                result: bytes = future.result(timeout=_SECONDS_BETWEEN_LOOKS)
                return result
            except TimeoutError:
                without = 0 if self._threads(at_least=0) else without + _SECONDS_BETWEEN_LOOKS
                if without >= _SECONDS_WITHOUT_WORKERS:
                    future.cancel()
                    raise _unreachable(
                        self._settings,
                        f"All workers are gone, and none came within {_SECONDS_WITHOUT_WORKERS} seconds.",
                    ) from None
            except KilledWorker as error:
                raise _unreachable(self._settings, f"One worker after another was lost at {title}: {error}") from error
            except CancelledError as error:
                raise _unreachable(self._settings, "The connection to the scheduler was lost.") from error

    def _threads(self, at_least: int = 1) -> int:
        """How many tasks the workers can do at a time."""
        try:
            found = self._client.nthreads()
        except (OSError, TimeoutError) as error:
            raise _unreachable(self._settings, str(error)) from error
        return min(_MOST_AT_ONCE, max(at_least, sum(int(threads) for threads in found.values())))

    def _say_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.say(line)


@contextmanager
def _connected(settings: Settings) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            "Dask is not installed.",
            where='[run] on = "dask"',
            why=str(error),
            fix="pip install 'edms-backup[dask]', here and on all workers",
        ) from error
    with _cluster(settings) as address:
        try:
            client: Any = cast(Any, Client)(
                address, timeout=_SECONDS_TO_CONNECT, set_as_default=False, name="edms-backup"
            )
        except (OSError, TimeoutError) as error:
            raise _unreachable(settings, str(error)) from error
        try:
            client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
        except TimeoutError as error:
            client.close(timeout=1)
            raise _unreachable(settings, "The scheduler has no workers.") from error
        try:
            yield client
        finally:
            client.close(timeout=_SECONDS_TO_CONNECT)


@contextmanager
def _cluster(settings: Settings) -> Iterator[Any]:
    """What a client connects to: the scheduler's address, or a cluster that is started for this run."""
    if settings.run.cluster is None:
        yield settings.run.scheduler
        return
    module, _, name = settings.run.cluster.partition(":")
    try:
        made: Callable[..., AbstractContextManager[Any]] = getattr(importlib.import_module(module), name)
        cluster = made(**settings.run.cluster_arguments)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            "The cluster cannot be started.",
            where=f'[run] cluster = "{settings.run.cluster}"',
            why=f"{type(error).__name__}: {error}",
            fix="Name a class of clusters, module:class, and give it arguments that it takes: [run] cluster_arguments.",
        ) from error
    with cluster:
        yield cluster


def _require_alike(client: Any, settings: Settings, folder: Path, token: str) -> None:
    """Look at each worker that is there now; one that joins later looks at itself before its first task."""
    answers = client.run(portray, str(folder), on_error="return")
    # One that was lost meanwhile is no failure here either.
    there = {address: one for address, one in answers.items() if not isinstance(one, OSError | TimeoutError)}
    if not there:
        raise _unreachable(settings, "None of the workers answered.")
    for address, portrait in there.items():
        if isinstance(portrait, BaseException):
            raise differ(address, [f"It cannot say what it is: {type(portrait).__name__}: {portrait}"]) from portrait
        found = differences(portrait, versions_here(), settings.repository.url, token)
        if not found and not (folder / portrait.answer).exists():
            found = ["Its scratch folder is another one of the same path: what it writes is not seen here."]
        if found:
            raise differ(f"{address}, {portrait.name}", found)


def _unreachable(settings: Settings, why: str) -> WorkersUnreachable:
    return WorkersUnreachable(
        "The workers of the Dask cluster cannot be used.",
        where=settings.run.scheduler or settings.run.cluster or "",
        why=why,
        fix='Start scheduler and workers (docs/scale.md), and run it again; or set [run] on = "threads".',
    )
