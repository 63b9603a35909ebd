"""The course: who does what it says passes the examination; who leaves something undone or broken does not, and is told what."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.pages.guided_system import ROOT, GuidedSystem
from tests.put_back import KeptFolder

# Half a minute of one core a guide; the machine may have other work.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KeptFolder, str]:
    """The folder of a trainee who has done every exercise, and what was printed."""
    system = GuidedSystem(tmp_path_factory.mktemp("course") / "system")
    system.put_programs()
    office = system.folder / "office"
    places = {"~/office": str(office), "docs/course/": f"{ROOT}/docs/course/"}
    printed = system.follow(ROOT / "docs" / "course.md", places)
    return office, KeptFolder(office), printed


@pytest.fixture
def office(trained: tuple[Path, KeptFolder, str]) -> Path:
    """The same, as that trainee left it."""
    trained[1].put_back()
    return trained[0]


@pytest.mark.long
def test_who_does_the_exercises_passes_with_all_points(trained: tuple[Path, KeptFolder, str]) -> None:
    assert "100 of 100: passed" in trained[2]


def _one_title(office: Path) -> None:
    with closing(sqlite3.connect(office / "edms/var/edms.sqlite3")) as database, database:
        database.execute(
            "UPDATE documents_document SET title = title || ' ' WHERE id = (SELECT max(id) FROM documents_document)"
        )


def _comment_of_the_day(office: Path) -> None:
    with closing(sqlite3.connect(office / "edms/var/edms.sqlite3")) as database, database:
        assert (
            database.execute("DELETE FROM documents_documentcomment WHERE text = 'Approved by telephone.'").rowcount
            == 1
        )


def _one_file(office: Path) -> None:
    file = next(
        path for path in sorted((office / "edms/var/media").rglob("*")) if path.is_file() and path.stat().st_size
    )
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def _damaged_again(office: Path) -> None:
    name = json.loads((office / ".course/kept.json").read_bytes())["object"]
    (path,) = (office / "backups/objects").rglob(name)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_one_title, "table documents_document"),
        (_comment_of_the_day, "table documents_documentcomment"),
        (_one_file, "differs: file "),
        (_damaged_again, "still damaged"),
    ],
)
@pytest.mark.long
def test_who_leaves_the_system_or_the_repository_wrong_fails_whatever_the_points(
    office: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(office)

    code, printed = _examined(office)

    assert code == 1
    assert said in printed
    assert "(essential)" in printed and "not passed" in printed


@pytest.mark.long
def test_points_are_lost_for_what_is_missing_and_too_many_fail(office: Path) -> None:
    (office / "answers.txt").write_text("POL-99999\n", encoding="utf-8")
    shutil.rmtree(office / "safe")
    assert _examined(office)[1].splitlines()[-1] == "80 of 100: passed"

    next((office / "elsewhere/snapshots").glob("*.json")).unlink()

    code, printed = _examined(office)
    assert (code, printed.splitlines()[-1]) == (1, "70 of 100: not passed")
    assert "answers.txt names POL-99999" in printed
    assert "safe/ has no copy" in printed
    assert "is missing there" in printed


@pytest.mark.parametrize("event", ["merge", "drill", "key-rotate"])
@pytest.mark.long
def test_what_was_not_done_is_seen_in_the_log(office: Path, event: str) -> None:
    for path in (office / "backups/log").glob("*.json"):
        entry = json.loads(path.read_bytes())
        if entry["event"].startswith(event):
            path.chmod(0o644)
            path.write_text(json.dumps(entry | {"outcome": "failed"}), encoding="utf-8")

    printed = _examined(office)[1]

    # The task itself, and the log, whose entries no longer follow each other.
    assert printed.count("✗") == 2
    assert "does not follow the one before it" in printed


@pytest.mark.long
def test_work_goes_on_only_when_the_earlier_damage_is_undone(office: Path) -> None:
    _one_title(office)

    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/course/office.py"), "day", str(office)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "table documents_document" in done.stderr


def test_who_has_done_nothing_gets_nothing(tmp_path: Path) -> None:
    code, printed = _examined(tmp_path)

    assert (code, printed.splitlines()[-1]) == (1, "0 of 100: not passed")


def _examined(office: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/course/examination.py"), str(office)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.returncode, done.stdout
