"""A run: settings, the runner and the limits of the work. Every function of a flow gets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Concatenate, Generic, NamedTuple, ParamSpec, TypeVar

from edms_tasks.evidence.body import Body, Gathered
from edms_tasks.evidence.origin import Origin
from edms_tasks.files.progress import Progress
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.scratch.workspace import Workspace, open_workspace
from edms_tasks.settings import Settings
from flows.running.approvals import Approved
from flows.running.flow_decorators import Task
from flows.running.markdown import markdown_of
from flows.running.runner import Runner
from flows.running.threads import ThreadRunner

Item = TypeVar("Item")
Made = TypeVar("Made")
P = ParamSpec("P")


_FEW_ROWS = 50_000


def ask_now(settings: Settings) -> ProbeReport:
    """Run the probe in the EDMS's interpreter."""
    return run_probe(settings)


@dataclass(frozen=True)
class Run:
    """The settings, runner and limits of the run that a flow and its tasks belong to.

    Args:
        settings: the EDMS's settings.
        runner: runs tasks and reports progress.
        jobs: number of tasks of a kind to run at once; 0: from the settings.
        ask: function that returns the EDMS's report; replaced if the EDMS was inspected ahead.
        approved: what was approved, and by whom; None if the run needs no approval.
        origin: who started it, why, and who approved it.
        evidence: what it has left of evidence, for its report.

    Example:
        >>> backup.fn(Run(settings), BackupRequest(tag="before-upgrade"))  # doctest: +SKIP
    """

    settings: Settings
    runner: Runner = field(default_factory=ThreadRunner)
    jobs: int = 0
    ask: Callable[[Settings], ProbeReport] = ask_now
    approved: Approved | None = None
    origin: Origin = field(default_factory=Origin)
    evidence: Gathered = field(default_factory=Gathered)

    @property
    def seconds(self) -> dict[str, float]:
        """The duration of each stage so far, in seconds."""
        return dict(self.runner.seconds)

    @property
    def has_workers(self) -> bool:
        """Whether workers on other machines take part, so that large work should be cut into tasks for them."""
        return self.settings.run.on != "threads"

    def with_jobs(self, jobs: int) -> Run:
        """The same run with another number of tasks at once."""
        return replace(self, jobs=jobs)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time a stage such as "extract"."""
        return self.runner.stage(name)

    def call(self, task: Task[P, Made], /, *args: P.args, **kwargs: P.kwargs) -> Made:
        """Run a task once."""
        return self.runner.call(task, *args, **kwargs)

    def map(
        self, task: Task[Concatenate[Item, P], Made], items: Sequence[Item], /, *args: P.args, **kwargs: P.kwargs
    ) -> list[Made]:
        """Run a task for each item, a few at a time; results in the order of the items."""
        return self.runner.map(self.jobs or self.settings.jobs, task, items, *args, **kwargs)

    def progress(self, title: str, total: int = 0, size: int = 0) -> AbstractContextManager[Progress]:
        """Show how a long loop advances; `title` begins with what is counted, `size` are bytes."""
        return self.runner.progress(title, total, size)

    def leave(self, key: str, body: Body) -> None:
        """Keep the body of the evidence for the report, and record it as artifacts."""
        self.evidence.body = body
        for sheet in body.sheets:
            self.runner.table(sheet.key, sheet.title, sheet.rows, sheet.description)
        self.runner.markdown(key, markdown_of(body))

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Record a table for people who look at the run; it is not in its report."""
        self.runner.table(key, title, rows, description)

    def markdown(self, key: str, text: str) -> None:
        """Record a text for people who look at the run; it is not in its report."""
        self.runner.markdown(key, text)

    def say(self, line: str) -> None:
        """Print or log one line."""
        self.runner.say(line)

    def workspace(
        self, folder: Path, *, threads: int = 0, rows: int | None = None
    ) -> AbstractContextManager[Workspace]:
        """A DuckDB workspace in this folder, with the memory limit of the settings; `rows` is what it is for, if known."""
        return open_workspace(
            folder, memory_limit_mb=self.settings.memory_limit_mb, threads=threads or self.threads_for(rows)
        )

    def threads_for(self, rows: int | None) -> int:
        """How many threads a query over so many rows should use: for a few, more than one cost a fifth more than they save."""
        return 1 if rows is not None and rows < _FEW_ROWS else self.settings.jobs


class Numbered(NamedTuple, Generic[Item]):
    """One of many items, with its position as the name of a folder: names from a manifest must not become paths."""

    folder: str
    item: Item


def numbered(items: Sequence[Item]) -> list[Numbered[Item]]:
    """The items with "0000", "0001", …"""
    return [Numbered(f"{number:04d}", item) for number, item in enumerate(items)]
