"""The swap of a SQLite file: refused while anybody has it open, harmless to whoever nobody could see, at home behind links."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.databases.sqlite import SqliteDatabase, database
from edms_tasks.databases.sqlite.file_identity import fingerprint
from edms_tasks.errors import TargetExists, TargetInUse, TerminalError
from tests.databases.sqlite_worker import worker

JOURNAL_MODES = ["wal", "delete", "truncate", "persist"]


def make(path: Path, *values: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        connection.commit()
    return path


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [value for (value,) in connection.execute("SELECT a FROM t")]


def swap(live: Path, incoming: str, previous: str) -> None:
    expected = fingerprint(Path(incoming))
    of(live).swap(incoming, previous, expected=expected, confirm=lambda: None, disconnect=False)


def of(path: Path) -> SqliteDatabase:
    return SqliteDatabase(DatabaseAddress(engine="sqlite", name=str(path)))


@pytest.mark.parametrize("mode", JOURNAL_MODES)
def test_an_idle_connection_keeps_the_database_from_being_swapped(mode: str, tmp_path: Path) -> None:
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    with worker(live) as other:
        other.run(f"PRAGMA journal_mode = {mode}")
        assert other.run("INSERT INTO t VALUES ('acknowledged')") == "ok []"
        for attempt in (
            lambda: of(live).check_target(None, promote=True, disconnect=False),
            lambda: swap(live, str(restored), f"{live}.previous"),
        ):
            with pytest.raises(TargetInUse) as refused:
                attempt()
            assert str(other.pid) in str(refused.value) or "locked" in str(refused.value)
        assert str(other.pid) in str(of(live).in_use())
        assert other.run("INSERT INTO t VALUES ('later')") == "ok []"  # it was not disturbed
        assert other.run("PRAGMA journal_mode") == f"ok [('{mode}',)]"

    assert rows(live) == ["before", "acknowledged", "later"]
    assert of(live).in_use() is None


@pytest.mark.parametrize("mode", JOURNAL_MODES)
def test_a_hidden_connection_cannot_write_after_the_swap(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from another host of a network mount, or a process of another user."""
    monkeypatch.setattr(database, "users", lambda path, **_: ())
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    previous = tmp_path / "live.sqlite3.previous"
    with worker(live) as other:
        other.run(f"PRAGMA journal_mode = {mode}")
        assert other.run("INSERT INTO t VALUES ('acknowledged')") == "ok []"
        try:
            swap(live, str(restored), str(previous))
        except TargetInUse:
            assert mode == "wal"  # SQLite itself tells
            return
        assert other.run("INSERT INTO t VALUES ('lost')").startswith("refused: attempt to write a readonly database")

    assert rows(live) == ["restored"]
    assert rows(previous) == ["before", "acknowledged"]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_previous_database_accepts_writes_again_after_a_rollback(mode: str, tmp_path: Path) -> None:
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    with closing(sqlite3.connect(live)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    swap(live, str(restored), f"{live}.previous")
    with closing(sqlite3.connect(f"{live}.previous")) as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM t")

    swap(live, f"{live}.previous", f"{live}.undone")

    with closing(sqlite3.connect(live)) as connection:
        connection.execute("INSERT INTO t VALUES ('after')")
        connection.commit()
        assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert rows(live) == ["before", "after"]


def test_a_refused_swap_leaves_the_journal_mode_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
    monkeypatch.setattr(database, "users", lambda path, **_: ("4711 (somebody)",))

    with pytest.raises(TargetInUse, match="4711"):
        swap(live, str(restored), f"{live}.previous")

    with closing(sqlite3.connect(live)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_nobody_can_write_between_the_last_check_and_the_swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    put_live, answers = SqliteDatabase._put_live, []

    def late(self: SqliteDatabase, incoming: str) -> None:
        with worker(live) as other:
            answers.append(other.run("INSERT INTO t VALUES ('late')"))
        put_live(self, incoming)

    monkeypatch.setattr(SqliteDatabase, "_put_live", late)

    swap(live, str(restored), f"{live}.previous")

    assert answers == ["refused: database is locked"]


def test_a_damaged_database_is_replaced_all_the_same(tmp_path: Path) -> None:
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    live.write_bytes(b"no database at all" * 1000)

    swap(live, str(restored), f"{live}.previous")

    assert rows(live) == ["restored"]
    assert Path(f"{live}.previous").read_bytes().startswith(b"no database")


LINKS: dict[str, Callable[[Path, Path], Path]] = {
    "a_link_to_the_file": lambda folder, disk: _link(folder / "live.sqlite3", disk / "live.sqlite3"),
    "a_chain_of_links": lambda folder, disk: _link(
        folder / "live.sqlite3", _link(folder / "middle", disk / "live.sqlite3")
    ),
    "a_relative_link": lambda folder, disk: _link(folder / "live.sqlite3", Path("../disk/live.sqlite3")),
    "a_link_to_its_folder": lambda folder, disk: _link(folder / "data", disk) / "live.sqlite3",
}


def _link(link: Path, target: Path) -> Path:
    link.symlink_to(target)
    return link


@pytest.mark.parametrize("kind", LINKS)
def test_a_database_behind_a_link_is_replaced_on_its_own_disk(kind: str, tmp_path: Path) -> None:
    folder, disk = tmp_path / "project", tmp_path / "disk"
    folder.mkdir()
    disk.mkdir()
    real = make(disk / "live.sqlite3", "before")
    name = LINKS[kind](folder, disk)
    there = {path: path.readlink() for path in folder.iterdir() if path.is_symlink()}
    incoming = make(disk / "restored", "restored")

    previous = of(name).previous_name("20261128T000000")
    swap(name, str(incoming), previous)

    assert Path(previous).parent == disk
    assert (rows(real), rows(name), rows(Path(previous))) == (["restored"], ["restored"], ["before"])
    assert {path: path.readlink() for path in folder.iterdir() if path.is_symlink()} == there


def test_a_link_to_an_unmounted_disk_is_reported_before_anything_is_staged(tmp_path: Path) -> None:
    name = _link(tmp_path / "live.sqlite3", tmp_path / "unmounted" / "live.sqlite3")

    with pytest.raises(TerminalError, match="unmounted"):
        of(name).check_target(None, promote=True, disconnect=False)


def test_other_hard_links_of_the_file_are_reported(tmp_path: Path) -> None:
    live = make(tmp_path / "live.sqlite3", "before")
    os.link(live, tmp_path / "another")

    (note,) = of(live).check_target(None, promote=True, disconnect=False)

    assert "2 names" in note


def test_a_restore_into_a_dangling_link_is_refused(tmp_path: Path) -> None:
    into = _link(tmp_path / "copy", tmp_path / "nowhere")

    with pytest.raises(TargetExists):
        of(tmp_path / "live.sqlite3").check_target(str(into), promote=False, disconnect=False)


def test_the_recovery_after_a_kill_makes_the_previous_file_refuse_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, restored = make(tmp_path / "live.sqlite3", "before"), make(tmp_path / "restored", "restored")
    previous = tmp_path / "live.sqlite3.previous"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("edms_tasks.databases.sqlite.retired_file.OpenedFile.retire", killed)
        swap(live, str(restored), str(previous))
    assert rows(live) == ["restored"]

    for _ in range(2):  # a recovery may be cut short too
        of(live).finish_swap(str(previous), None)

    with closing(sqlite3.connect(previous)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("INSERT INTO t VALUES ('lost')")
    assert rows(previous) == ["before"]
    swap(live, str(previous), f"{live}.previous-again")  # the way back
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("INSERT INTO t VALUES ('after')")
        connection.commit()
    assert rows(live) == ["before", "after"]
