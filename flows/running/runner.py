"""Steps: the few things a composition asks of the world it runs in.

A composition (`compose_backup`, `compose_restore`, `compose_verify`) is written once, against this protocol. Two worlds
implement it: `direct_steps.py` runs it in this process, `prefect_steps.py` as tasks of a Prefect flow. What a step is
given and returns is the same in both, so the result is too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

RETRY_SECONDS = (1.0, 4.0, 15.0, 60.0)
"""How long to wait before each retry; the last one stands for all that follow."""


class Steps(Protocol):
    """How a composition runs its work and tells what it found."""

    seconds: dict[str, float]
    """Stage -> duration, in the order in which the stages ended."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Time a stage such as "extract"; a stage entered twice adds up."""

    def run(self, title: str, function: Callable[..., Made], /, *args: object, retries: int = 0) -> Made:
        """Do one step; `retries` count only for a TransientError."""

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
        """Do a step for each item, at most `jobs` at a time, the heaviest first; results in the order of `items`.

        The first failure starts nothing more, waits for what is running, and is raised.
        """

    def progress(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show how a loop inside a step advances; call what it gives with each increment. 0: the total is not known."""

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Leave a table as evidence."""

    def markdown(self, key: str, text: str) -> None:
        """Leave a text as evidence."""

    def say(self, line: str) -> None:
        """Tell the person who watches."""


def heaviest_first(items: Sequence[Item], weight: Callable[[Item], int] | None) -> list[int]:
    """The positions of `items` in the order to start them: a large one begun last would be waited for alone."""
    positions = list(range(len(items)))
    if weight is not None:
        positions.sort(key=lambda position: -weight(items[position]))
    return positions
