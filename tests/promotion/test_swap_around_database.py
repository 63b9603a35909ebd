"""A folder that holds the database is swapped around it: cut short at any step, the swap goes on where it ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edms_tasks.errors import TerminalError
from edms_tasks.promotion import swap_around_database
from edms_tasks.promotion.journal import FolderSwap
from edms_tasks.promotion.swap_around_database import around_the_database, is_in_place, remove_emptied, swap_entries

KEPT = (
    "db/live.sqlite3",
    "db/live.sqlite3-wal",
    "db/live.sqlite3-shm",
    "db/live.sqlite3.edms-swap-lock",
    "db/live.sqlite3.previous-20260101T000000",
)


class Cut(BaseException):
    """What a kill looks like from inside."""


@pytest.fixture
def swap(tmp_path: Path) -> FolderSwap:
    live, incoming = tmp_path / "data", tmp_path / "data.edms-staging-1"
    for name in KEPT:
        write(live / name, f"kept {name}")
    for side, word in ((live, "old"), (incoming, "new")):
        for name in ("a.pdf", "deep/er/b.pdf", "db/notes.txt", "db/live.sqlite3.txt", f"only {word}.pdf"):
            write(side / name, f"{word} {name}")
        (side / "link").symlink_to("a.pdf")
        (side / "empty").mkdir()
    (incoming / "db").chmod(0o750)
    plan = FolderSwap(live=str(live), incoming=str(incoming), previous=f"{live}.previous-2", replaces=True, brings=True)
    return around_the_database(plan, [live / "db/live.sqlite3"])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        kind = "link" if path.is_symlink() else "dir" if path.is_dir() else "file"
        found[str(path.relative_to(folder))] = f"{kind} {path.read_text() if kind == 'file' else ''}"
    return found


def back(swap: FolderSwap, databases: list[Path]) -> FolderSwap:
    plan = swap.model_copy(
        update={"incoming": swap.previous, "previous": f"{swap.live}.undone-3", "around": (), "done": False}
    )
    return around_the_database(plan, databases)


def test_everything_but_the_database_is_swapped_and_back(swap: FolderSwap) -> None:
    live, incoming = Path(swap.live), Path(swap.incoming)
    before, new = tree(live), tree(incoming)
    inodes = {name: (live / name).stat().st_ino for name in KEPT}

    swap_entries(swap)
    remove_emptied(swap)

    kept = {name: before[name] for name in KEPT}
    assert tree(live) == new | kept
    assert tree(Path(swap.previous)) == {name: what for name, what in before.items() if name not in kept}
    assert not incoming.exists()
    assert (live / "db").stat().st_mode & 0o777 == 0o750
    assert {name: (live / name).stat().st_ino for name in KEPT} == inodes

    undo = back(swap, [live / "db/live.sqlite3"])
    swap_entries(undo)
    remove_emptied(undo)
    assert tree(live) == before


@pytest.mark.parametrize("after", [False, True])
def test_a_swap_cut_short_at_any_step_is_finished_by_the_next_run(
    after: bool, swap: FolderSwap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Path(swap.live)
    before, expected = tree(live), tree(Path(swap.incoming)) | {name: tree(live)[name] for name in KEPT}
    steps = 0
    while True:
        steps += 1
        with monkeypatch.context() as patched:
            _cut_at(steps, after=after, patched=patched)
            recorded, cut = False, True  # in the journal, once all entries are in place
            try:
                swap_entries(swap)
                recorded = True
                remove_emptied(swap)
                cut = False
            except Cut:
                pass
        for name in KEPT:
            assert tree(live)[name] == before[name], steps
        if not recorded:
            swap_entries(swap)
            swap_entries(swap)  # it may also be cut between the last step and the record
        remove_emptied(swap)
        assert tree(live) == expected, steps
        if not cut:
            break
        undo = back(swap, [live / "db/live.sqlite3"])
        swap_entries(undo)
        remove_emptied(undo)
        assert tree(live) == before, steps
        Path(undo.previous).rename(swap.incoming)  # and once more, to be cut at the next step
    assert steps > 20


def _cut_at(step: int, *, after: bool, patched: pytest.MonkeyPatch) -> None:
    count = 0

    def cutting(call: Callable[..., object]) -> Callable[..., object]:
        def step_or_die(*args: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == step and not after:
                raise Cut
            made = call(*args, **options)
            if count == step:
                raise Cut
            return made

        return step_or_die

    for name in ("rename", "mkdir", "rmdir", "chmod"):
        patched.setattr(Path, name, cutting(getattr(Path, name)))


def test_what_another_run_has_finished_is_known_and_what_was_lost_too(swap: FolderSwap) -> None:
    shutil.copytree(swap.incoming, copy := Path(swap.live).with_name("copy"))
    swap_entries(swap)
    remove_emptied(swap)
    assert is_in_place(swap)
    assert swap.last is not None
    (Path(swap.live) / swap.last[0]).unlink()
    assert not is_in_place(swap)
    shutil.copy(copy / swap.last[0], Path(swap.live) / swap.last[0])
    assert not is_in_place(swap)  # another file of that name


def test_a_snapshot_with_a_file_in_the_database_s_place_is_refused(swap: FolderSwap) -> None:
    live, incoming = Path(swap.live), Path(swap.incoming)
    before = tree(live)
    write(incoming / "db/live.sqlite3-wal", "a log of another database")
    with pytest.raises(TerminalError, match="place of the live database"):
        around_the_database(swap, [live / "db/live.sqlite3"])
    assert tree(live) == before


@pytest.mark.parametrize("linked", ["the file", "the folder"])
def test_links_that_lead_to_the_database_stay(linked: str, swap: FolderSwap, tmp_path: Path) -> None:
    live = Path(swap.live)
    disk = tmp_path / "disk"
    if linked == "the folder":
        (live / "db").rename(disk)
        (live / "db").symlink_to(disk)
        link = "db"
    else:
        (live / "db").rename(disk)
        (live / "db").mkdir()
        link = "db/live.sqlite3"
        (live / link).symlink_to(disk / "live.sqlite3")
    if linked == "the folder":
        with pytest.raises(TerminalError):
            around_the_database(swap, [live / "db/live.sqlite3"])  # the snapshot has a folder there
        return
    plan = around_the_database(swap, [live / "db/live.sqlite3"])
    swap_entries(plan)
    remove_emptied(plan)
    assert (live / link).is_symlink() and (live / link).read_text() == f"kept {KEPT[0]}"


def test_closed_folders_are_moved_and_keep_their_modes(swap: FolderSwap, monkeypatch: pytest.MonkeyPatch) -> None:
    live, incoming = Path(swap.live), Path(swap.incoming)
    (live / "deep").chmod(0o555)
    (incoming / "deep").chmod(0o500)
    # As anybody but root, who may do it anyway.
    monkeypatch.setattr(swap_around_database.os, "access", lambda path, how: bool(Path(path).stat().st_mode & 0o200))
    plan = around_the_database(swap, [live / "db/live.sqlite3"])
    assert (plan.modes_live, plan.modes_incoming) == ((("deep", 0o555),), (("deep", 0o500),))
    swap_entries(plan)
    remove_emptied(plan)
    assert (Path(plan.previous) / "deep").stat().st_mode & 0o777 == 0o555
    assert (live / "deep").stat().st_mode & 0o777 == 0o500
