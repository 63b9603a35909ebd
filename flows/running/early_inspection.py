"""Inspect the EDMS while our own libraries load, because its interpreter takes a second to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edms_tasks.inventory.probe_report import ProbeReport
    from edms_tasks.settings import Settings


@contextmanager
def asking_ahead(settings: Settings, *, at_once: bool) -> Iterator[Callable[[Settings], ProbeReport]]:
    """Begin to inspect, if `at_once`; the returned function returns this report once, and inspects again after that."""
    from edms_tasks.inventory.run_probe import run_probe

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = [pool.submit(run_probe, settings)] if at_once else []

        def answer(asked: Settings) -> ProbeReport:
            return waiting.pop().result() if waiting else run_probe(asked)

        yield answer
