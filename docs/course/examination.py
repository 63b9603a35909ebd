"""Marks what a trainee has left: the document system, the repository, its copy, the keys and the answers.

    python docs/course/examination.py FOLDER

Exit code 0 if the examination is passed: every essential task, and 80 of 100 points. Standard library only: what edms-backup says of
itself is believed in nothing but its log, whose entries are hashed here again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from office import Office, differences

PASSED = 80


@dataclass(frozen=True)
class Task:
    """A task, its points, and what is wrong, if anything."""

    name: str
    points: int
    essential: bool
    wrong: Callable[[Office], str]


def the_system(office: Office) -> str:
    """Every row and file is as it was at the end of the day."""
    differing = differences(office)
    return f"differs: {', '.join(differing[:5])}" if differing else ""


def the_answer(office: Office) -> str:
    """answers.txt names the three documents whose titles were changed, and no other."""
    file = office.folder / "answers.txt"
    if not file.exists():
        return "there is no answers.txt"
    named = set(re.findall(r"[A-Z]+-\d+", file.read_text(encoding="utf-8")))
    return "" if named == set(office.kept()["changed"]) else f"answers.txt names {', '.join(sorted(named)) or 'none'}"


def the_log(office: Office) -> str:
    """The log has every entry, each of which names the one before it."""
    before = "0" * 64
    for number, path in enumerate(sorted((office.repository / "log").glob("*.json")), start=1):
        entry = json.loads(path.read_bytes())
        if entry["number"] != number or entry["before"] != before:
            return f"entry {number} does not follow the one before it"
        before = hashlib.sha256(path.read_bytes()).hexdigest()
    return "" if before != "0" * 64 else "there is none"


def the_merge(office: Office) -> str:
    """The deleted document came back by a merge."""
    return _done(office, "merge")


def the_drill(office: Office) -> str:
    """A drill has passed after the last accident but the disk's."""
    done = [(entry["event"], entry["outcome"]) for entry in _entries(office)]
    if ("drill", "success") not in done:
        return "no drill has passed"
    last_restore = max((at for at, one in enumerate(done) if one == ("restore", "success")), default=-1)
    last_drill = max(at for at, one in enumerate(done) if one == ("drill", "success"))
    return "" if last_drill > last_restore else "no drill has passed since the last restore"


def the_keys(office: Office) -> str:
    """A second holder, a rotation, and the recovery key at another place."""
    if len(list((office.repository / "keys").glob("*.json"))) < 2:
        return "only one holder can open the repository"
    if not any(entry["event"].startswith("key-rotate") and entry["outcome"] == "success" for entry in _entries(office)):
        return "no key was rotated"
    safe = office.folder / "safe"
    own = {path.read_bytes() for path in (office.folder / "settings").glob("*recovery-key")}
    return "" if any(path.read_bytes() in own for path in safe.glob("*")) else "safe/ has no copy of the recovery key"


def the_disk(office: Office) -> str:
    """The damaged object is whole again."""
    kept = office.kept()
    if "object" not in kept:
        return "the accident of the disk has not happened yet"
    for path in (office.repository / "objects").rglob(kept["object"]):
        return (
            ""
            if hashlib.sha256(path.read_bytes()).hexdigest() == kept["object_sha256"]
            else "the object is still damaged"
        )
    return "the object is gone"


def the_copy(office: Office) -> str:
    """The second copy has every snapshot and object, byte for byte."""
    copy = office.folder / "elsewhere"
    for folder in ("snapshots", "objects"):
        for path in sorted((office.repository / folder).rglob("*")):
            there = copy / path.relative_to(office.repository)
            if path.is_file() and not (there.is_file() and there.read_bytes() == path.read_bytes()):
                return f"{path.relative_to(office.repository)} is missing there, or differs"
    return "" if list((copy / "snapshots").glob("*.json")) else "there is none"


def _entries(office: Office) -> Iterator[dict[str, Any]]:
    for path in sorted((office.repository / "log").glob("*.json")):
        yield json.loads(path.read_bytes())


def _done(office: Office, event: str) -> str:
    done = any(entry["event"] == event and entry["outcome"] == "success" for entry in _entries(office))
    return "" if done else f"the log has no {event} that succeeded"


TASKS = (
    Task("the system is as it was at the end of the day", 30, True, the_system),
    Task("what was changed in silence was found", 10, False, the_answer),
    Task("one document came back by a merge", 10, False, the_merge),
    Task("a drill has passed", 10, False, the_drill),
    Task("keys: a second holder, a rotation, a copy in the safe", 10, False, the_keys),
    Task("the damage in the repository is repaired", 10, True, the_disk),
    Task("the copy elsewhere is complete", 10, False, the_copy),
    Task("the log is complete", 10, False, the_log),
)


def marked(office: Office) -> list[tuple[Task, str]]:
    """Each task and what is wrong with it."""
    found = []
    for task in TASKS:
        try:
            found.append((task, task.wrong(office)))
        except (OSError, ValueError, KeyError) as error:
            found.append((task, f"cannot be marked: {error}"))
    return found


def main(folder: Path) -> int:
    """Print the marks; 0 if it is passed."""
    marks = marked(Office(folder))
    for task, wrong in marks:
        points = 0 if wrong else task.points
        essential = " (essential)" if task.essential and wrong else ""
        sys.stdout.write(f"{'✗' if wrong else '✓'} {points:3d} of {task.points}  {task.name}{essential}\n")
        if wrong:
            sys.stdout.write(f"              {wrong}\n")
    reached = sum(task.points for task, wrong in marks if not wrong)
    passed = reached >= PASSED and not any(wrong and task.essential for task, wrong in marks)
    sys.stdout.write(f"{reached} of 100: {'passed' if passed else 'not passed'}\n")
    return 0 if passed else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).expanduser().resolve()))
