"""Run a backup, a restore or a drill that kills itself with SIGKILL at a named point, in a process of its own.

A point is a stage or step as the composition names it ("extract", "write the manifest"), or "before swap", "inside swap"
(SQLite: between its two calls), "after swap" and "between renames" inside the promotion. For a folder that holds the database
also "entries set aside", when all of them are, and "entry in place", after the first.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edms_tasks.databases.postgresql.database import PostgresDatabase
from edms_tasks.databases.sqlite.database import SqliteDatabase
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.settings import load_settings
from flows.backup import backup
from flows.drill import drill
from flows.requests import BackupRequest, DrillRequest, RestoreRequest
from flows.restore import restore
from flows.running.flow_decorators import Task
from flows.running.run import Run
from flows.running.threads import ThreadRunner

# Processes forked from one that has imported everything: importing anew for each kill would take most of the time.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.killed_run", "expectations.suites"])


def kill(verb: str, config: Path, point: str, known: ProbeReport | None = None) -> None:
    """Run a verb with a settings file until it dies at `point`; `known` is what the EDMS would answer."""
    run = _PROCESSES.Process(target=_main, args=(verb, str(config), point, dict(os.environ), known))
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL, f"{verb} was not killed at {point!r}: it ended with {run.exitcode}"


def die() -> None:
    """What a power failure looks like from inside."""
    os.kill(os.getpid(), signal.SIGKILL)


class KillingRunner(ThreadRunner):
    """Runs on threads, and dies on entering a stage or a task of a given name."""

    def __init__(self, point: str) -> None:
        super().__init__()
        self._point = point

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._die_at(name)
        with super().stage(name):
            yield

    def call(self, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        title = task.title(*args, **kwargs)
        self._die_at(title)
        made = super().call(task, *args, **kwargs)
        self._die_at(f"after {title}")
        return made

    def _die_at(self, name: str) -> None:
        if name == self._point:
            die()


def _arm_promotion(point: str) -> None:
    for engine in (SqliteDatabase, PostgresDatabase):
        swap = engine.swap

        def killing_swap(self: Any, *args: Any, swap: Any = swap, **options: Any) -> None:
            if point == "before swap":
                die()
            swap(self, *args, **options)
            if point == "after swap":
                die()

        engine.swap = killing_swap  # type: ignore[method-assign]
    if point == "inside swap":
        replace = os.replace

        def killing_replace(source: Any, target: Any) -> None:
            if ".edms-staging" in str(source):
                die()
            replace(source, target)

        os.replace = killing_replace  # type: ignore[assignment]
    if point == "between renames":
        rename = Path.rename

        def killing_rename(self: Path, target: Any) -> Path:
            renamed = rename(self, target)
            if ".previous-" in str(target):
                die()
            return renamed

        Path.rename = killing_rename  # type: ignore[assignment,method-assign]
    if point in ("entries set aside", "entry in place"):
        rename = Path.rename

        def killing_move(self: Path, target: Any) -> Path:
            renamed = rename(self, target)
            aside = str(self).endswith(".taking")
            if aside if point == "entries set aside" else ".edms-staging" in str(self.parent):
                die()
            return renamed

        Path.rename = killing_move  # type: ignore[assignment,method-assign]


def _main(verb: str, config: str, point: str, environment: Mapping[str, str], known: ProbeReport | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    run = Run(load_settings(Path(config)), KillingRunner(point))
    if known is not None:
        run = replace(run, ask=lambda settings: known)
    if verb == "backup":
        backup.fn(run, BackupRequest())
    elif verb == "drill":
        drill.fn(run, DrillRequest())
    else:
        _arm_promotion(point)
        restore.fn(run, RestoreRequest(snapshot="latest", confirm=True))
