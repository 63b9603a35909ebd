"""Repository, working folder and the EDMS's files must stand apart: a backup that holds itself grows with every run.

Worse, a restore swaps a file root as a whole, and what of ours lies in it would be swapped away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import ProbeReport
from edms_tasks.settings import Settings


def require_apart(settings: Settings, report: ProbeReport) -> None:
    """None of these folders lies in another of them; raises SettingsError, which names both."""
    roots = {root.name: Path(root.path) for root in report.file_roots} | dict(settings.files.roots)
    for (what, ours), (name, root) in ((one, other) for one in _ours(settings) for other in roots.items()):
        if _within(ours, root) or _within(root, ours):
            inside, outside = ("lies inside", "of") if _within(ours, root) else ("holds", "of")
            raise SettingsError(
                f"The {what} {inside} the folder {outside} the EDMS's files {name!r}.",
                where=f"{ours} and {root}",
                why="A backup would hold itself, and a restore would swap it away with the files.",
                cure=f"Name another folder, outside of both: [repository] url and workdir, or [files] roots for {name!r}.",
            )


def _ours(settings: Settings) -> Iterator[tuple[str, Path]]:
    if "://" not in settings.repository.url:
        yield "repository", Path(settings.repository.url)
    yield "working folder", settings.workdir


def _within(inner: Path, outer: Path) -> bool:
    """Whether one is the other or lies in it, links followed."""
    return inner.resolve().is_relative_to(outer.resolve())
