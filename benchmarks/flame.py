"""Where the time goes, as a picture: a backup and a restore of a PostgreSQL EDMS in this process, sampled.

python -m benchmarks.flame --rows 1000000
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TypeVar

from benchmarks.installation import ROOT, environment, site
from benchmarks.ours import Protected
from benchmarks.sampling import Sampler, Stack
from edms_tasks.settings import load_settings
from flows.backup import backup
from flows.requests import BackupRequest, RestoreRequest
from flows.restore import restore
from flows.running.run import Run
from flows.running.threads import ThreadRunner

PICTURES = ROOT / "docs" / "pictures"

Result = TypeVar("Result")

_WIDTH, _ROW = 1_000, 18
_LEAST = 0.004  # of the whole; what is narrower has no room for a word
_COLOURS = ("#f4d58d", "#f2b880", "#e89f71", "#dcae96", "#e6c9a8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Sample both, and draw both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=Path, default=PICTURES)
    options = parser.parse_args(arguments)
    os.environ.update(environment())
    with (
        tempfile.TemporaryDirectory(prefix="edms-backup-flame-") as folder,
        site("postgresql", Path(folder) / "site") as here,
    ):
        protected = Protected(here.install("full", options.rows), here.folder / "ours")
        settings = load_settings(protected.config)
        snapshot, stacks = _sampled(lambda runner: backup.fn(Run(settings, runner), BackupRequest()))
        (options.pictures / "flame-backup.svg").write_text(
            draw(stacks, f"edms-backup backup, {snapshot.manifest.rows:,} rows"), encoding="utf-8"
        )
        restored, stacks = _sampled(
            lambda runner: restore.fn(Run(settings, runner), RestoreRequest(into=here.place_for("restored")))
        )
        if not (snapshot.verified and restored.success):
            raise RuntimeError("a picture of something that is not proved means nothing")
        (options.pictures / "flame-restore.svg").write_text(
            draw(stacks, f"edms-backup restore, {restored.rows:,} rows"), encoding="utf-8"
        )


class _Staged(ThreadRunner):
    """A runner that tells the stage they are in."""

    now = "between stages"

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        with super().stage(name):
            outer, self.now = self.now, name
            try:
                yield
            finally:
                self.now = outer


def _sampled(run: Callable[[ThreadRunner], Result]) -> tuple[Result, Counter[Stack]]:
    runner = _Staged()
    with Sampler(lambda: runner.now) as sampler:
        result = run(runner)
    return result, sampler.stacks


def draw(stacks: Mapping[Stack, int], title: str) -> str:
    """A flame graph that hangs from its top: as wide as the share of samples, callers above what they call."""
    total = sum(stacks.values())
    if not total:
        raise ValueError("no samples to draw")
    boxes = list(_boxes({(): total, **_with_callers(stacks)}, total))
    height = (max(depth for depth, *_ in boxes) + 1) * _ROW + 40
    drawn = [_drawn(*box, total) for box in boxes]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
            f'font-family="sans-serif" font-size="11" fill="#222"><title>{escape(title)}</title>',
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="4" y="18" font-size="15">{escape(title)}: share of the time of all threads</text>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def _with_callers(stacks: Mapping[Stack, int]) -> dict[Stack, int]:
    counted: Counter[Stack] = Counter()
    for stack, samples in stacks.items():
        for depth in range(1, len(stack) + 1):
            counted[stack[:depth]] += samples
    return counted


def _boxes(counted: Mapping[Stack, int], total: int) -> Iterator[tuple[int, str, int, int]]:
    """Depth, name, samples to the left, samples; the widest of each caller first."""
    below: dict[Stack, list[Stack]] = {}
    for stack in counted:
        if stack:
            below.setdefault(stack[:-1], []).append(stack)
    waiting: list[tuple[Stack, int]] = [((), 0)]
    while waiting:
        caller, left = waiting.pop()
        if caller:
            yield len(caller) - 1, caller[-1], left, counted[caller]
        for stack in sorted(below.get(caller, []), key=lambda s: (-counted[s], s)):
            if counted[stack] >= _LEAST * total:
                waiting.append((stack, left))
            left += counted[stack]


def _drawn(depth: int, name: str, left: int, samples: int, total: int) -> str:
    x, width = left / total * _WIDTH, samples / total * _WIDTH
    y = 30 + depth * _ROW
    room = int((width - 6) / 6)
    short = name if len(name) <= room else name[: max(0, room - 1)] + "…" if room > 3 else ""
    colour = _COLOURS[sum(name.encode()) % len(_COLOURS)]
    return (
        f'<g><title>{escape(name)}: {samples / total:.1%}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" '
        f'height="{_ROW - 1}" fill="{colour}"/><text x="{x + 3:.1f}" y="{y + 13}">{escape(short)}</text></g>'
    )


if __name__ == "__main__":
    main()
