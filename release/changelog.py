"""CHANGELOG.md, made from the files in docs/changelog.

    python -m release.changelog                  write it anew
    python -m release.changelog 1.0.0 DATE       move what is unreleased into that release first

A release is a folder with its changes and a file `released` with its date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGES = ROOT / "docs" / "changelog"
PAGE = ROOT / "CHANGELOG.md"
UNRELEASED = "unreleased"
# In the order in which somebody who upgrades has to know of them.
KINDS = {
    "Security": "Security",
    "Change": "Changes: settings or scripts may need to be adapted",
    "Feature": "New",
    "Enhancement": "Better",
    "Bugfix": "Corrected",
}


@dataclass(frozen=True)
class Change:
    """One change: its kind, its title, and what was the case before and is now."""

    kind: str
    title: str
    text: str


def change_in(name: str, text: str) -> Change:
    """The change that a file describes.

    Raises:
        ValueError: the file is not of the form that docs/changelog/README.md shows.
    """
    head, _, rest = text.partition("\n")
    kind, colon, title = head.partition(": ")
    if kind not in KINDS or not colon or not title.strip():
        raise ValueError(f"{name}: the first line is none like 'Bugfix: What is the case now': {head!r}")
    if not rest.startswith("\n") or not rest.strip():
        raise ValueError(f"{name}: an empty line and a text belong below the first line")
    return Change(kind, title.strip(), rest.strip())


def changes_in(folder: Path) -> list[Change]:
    """The changes in a folder, by the names of their files."""
    return [change_in(path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.md"))]


def section(changes: Sequence[Change], level: str = "###") -> str:
    """The changes, one heading for each kind."""
    parts: list[str] = []
    for kind, heading in KINDS.items():
        those = [change for change in changes if change.kind == kind]
        if those:
            parts.append(f"{level} {heading}\n")
            parts += [f"**{change.title}.** {_flowing(change.text)}\n" for change in those]
    return "\n".join(parts)


def page(folder: Path = CHANGES) -> str:
    """The text of CHANGELOG.md: the releases, the newest first; what is not released yet stays in its files."""
    parts = [
        "# Changelog\n",
        "What changed for the people who run edms-backup. [What the numbers promise](docs/versioning.md).\n",
        "## Not released yet\n",
        f"The files in [docs/changelog/{UNRELEASED}](docs/changelog/{UNRELEASED}), one for each change.\n",
    ]
    for release in sorted(_releases(folder), key=_number, reverse=True):
        when = (folder / release / "released").read_text(encoding="utf-8").strip()
        parts += [f"## {release} ({when})\n", section(changes_in(folder / release))]
    return "\n".join(parts)


def release(version: str, when: str, folder: Path = CHANGES) -> None:
    """Move what is unreleased into a folder of that version.

    Raises:
        ValueError: the version or the date is none, it is there already, or a change is not of the right form.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"a version is three numbers, like 1.0.0, and not {version!r}")
    date.fromisoformat(when)
    if (folder / version).exists():
        raise ValueError(f"{version} was released before")
    if not changes_in(folder / UNRELEASED):
        raise ValueError("nothing has changed since the last release")
    (folder / UNRELEASED).rename(folder / version)
    (folder / version / "released").write_text(f"{when}\n", encoding="utf-8")
    (folder / UNRELEASED).mkdir()
    # Git keeps no empty folder.
    (folder / UNRELEASED / ".gitkeep").touch()
    (folder / version / ".gitkeep").unlink(missing_ok=True)


def _releases(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_dir() and path.name != UNRELEASED]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _flowing(text: str) -> str:
    # Links lead from the changes' folder; on a page of its own they would lead nowhere.
    return re.sub(r"\[([^\]]+)\]\((?![a-z]+:)[^)]*\)", r"\1", text)


if __name__ == "__main__":
    try:
        if len(sys.argv) == 3:
            release(sys.argv[1], sys.argv[2])
        elif len(sys.argv) != 1:
            raise ValueError("usage: python -m release.changelog [VERSION DATE]")
        PAGE.write_text(page(), encoding="utf-8")
    except ValueError as wrong:
        sys.exit(f"error: {wrong}")
