"""The protocol of a runner. There are two: threads of this process (`threads.py`) and Prefect (`on_prefect.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from edms_tasks.files.progress import Progress
from flows.running.flow_decorators import Task
from flows.running.question import Question

Item = TypeVar("Item")
Made = TypeVar("Made")
P = ParamSpec("P")

RETRY_SECONDS = (1.0, 4.0, 15.0, 60.0)
"""How long to wait before each retry; the last one stands for all that follow."""


class Runner(Protocol):
    """Runs a flow's tasks, shows progress and records evidence."""

    seconds: dict[str, float]
    """Stage -> duration, in the order in which the stages ended."""

    run_id: str
    """Prefect's id of this run; empty elsewhere."""

    deployed: bool
    """Whether a deployment started it, so that nobody sits at its terminal."""

    started_by: str
    """What started this run in Prefect, such as a deployment; empty elsewhere."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time a stage such as "extract"; a stage entered twice adds up."""

    def tagged(self, *tags: str) -> AbstractContextManager[None]:
        """Give the tasks inside more tags, such as the engine's name."""

    def call(self, task: Task[P, Made], /, *args: P.args, **kwargs: P.kwargs) -> Made:
        """Run a task once."""

    def map(
        self,
        jobs: int,
        task: Task[Concatenate[Item, P], Made],
        items: Sequence[Item],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> list[Made]:
        """Run a task for each item, at most `jobs` at a time, the heaviest first; results in the order of `items`.

        The first failure starts nothing more, waits for what is running, and is raised.
        """

    def progress(self, title: str, total: int = 0, size: int = 0) -> AbstractContextManager[Progress]:
        """Show how a loop advances: how many of how many, how fast, and how long it will take.

        Args:
            title: begins with what is counted: "files of media".
            total: how many there are; 0 is not known, or will be told to the progress.
            size: how many bytes they have; 0 is not known, or of no interest.
        """

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Record a table as evidence of the run."""

    def markdown(self, key: str, text: str) -> None:
        """Record a text as evidence of the run."""

    def ask(self, question: Question) -> Mapping[str, str] | None:
        """Suspend a deployed run until people have answered; None: nobody has. Elsewhere there is nobody to ask."""

    def emit(self, event: str, edms: str, facts: Mapping[str, object]) -> None:
        """Send an event of this EDMS, for automations; elsewhere there is nobody to send it to."""

    def say(self, line: str) -> None:
        """Print or log one line."""


def heaviest_first(items: Sequence[Item], weight: Callable[[Item], int] | None) -> list[int]:
    """The positions of `items` in the order to start them, the heaviest first, so that no large one runs alone at the end."""
    positions = list(range(len(items)))
    if weight is not None:
        positions.sort(key=lambda position: -weight(items[position]))
    return positions
