"""An error behind the swap of the database: the promotion is finished, or the error says that the database was replaced."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks import promotion
from edms_tasks.databases import DatabaseAddress
from edms_tasks.databases.protocol import Confirmed
from edms_tasks.databases.sqlite import SqliteDatabase
from edms_tasks.databases.sqlite.file_identity import fingerprint
from edms_tasks.errors import DatabaseRefused, PromotionHalted
from edms_tasks.promotion import Journal, Promotion, StagedState


class SmallSystem:
    """A SQLite file and a folder of files, old ones live and new ones staged."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.media = folder, folder / "media"
        for name, word in (("live", "old"), ("staged", "new")):
            with closing(sqlite3.connect(folder / f"{name}.sqlite3")) as connection:
                connection.execute("CREATE TABLE said AS SELECT ? AS word", [word])
                connection.commit()
        self.staged_media = promotion.staging_folder(self.media)
        for place, word in ((self.media, "old"), (self.staged_media, "new")):
            place.mkdir()
            (place / "a.txt").write_text(word, encoding="utf-8")
        self.journal = Journal(folder / "work" / "promotions.json")
        self.database = SqliteDatabase(DatabaseAddress("sqlite", str(folder / "live.sqlite3")))

    def promote(self) -> Promotion:
        incoming = self.folder / "staged.sqlite3"
        state = StagedState.of(str(incoming), fingerprint(incoming), [(self.media, self.staged_media)])
        planned = promotion.plan(self.database, self.journal, state, snapshot_id="a" * 64, confirmation="by-hand")
        return promotion.carry_out(
            planned,
            self.database,
            self.journal,
            fingerprint=state.fingerprint,
            confirm=lambda: None,
            disconnect=False,
        )

    def recover(self) -> tuple[str, ...]:
        return promotion.recover(self.database, self.journal, [self.media])

    def words(self) -> tuple[str, str]:
        """What the live database and the live folder say."""
        with closing(sqlite3.connect(self.folder / "live.sqlite3")) as connection:
            (word,) = connection.execute("SELECT word FROM said").fetchone()
        return word, (self.media / "a.txt").read_text(encoding="utf-8")


class FullDisk:
    """The note of a used confirmation finds the disk full so many times; it is written when the file has been replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self._times, self._note = times, SqliteDatabase._note
        monkeypatch.setattr(SqliteDatabase, "_note", lambda database, confirmed: self(database, confirmed))

    def __call__(self, database: SqliteDatabase, confirmed: Confirmed | None) -> None:
        if self._times > 0:
            self._times -= 1
            raise OSError(errno.ENOSPC, "No space left on device", "live.sqlite3.edms-confirmed")
        self._note(database, confirmed)

    def is_emptied(self) -> None:
        self._times = 0


@pytest.fixture
def system(tmp_path: Path) -> SmallSystem:
    return SmallSystem(tmp_path)


def test_what_can_be_done_again_is_and_the_files_follow(system: SmallSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    FullDisk(monkeypatch, times=1)

    done = system.promote()

    assert done.state == "done"
    assert system.words() == ("new", "new")
    assert system.database.promoted_by("by-hand") == done.stamp


def test_otherwise_the_error_says_that_the_database_was_replaced(
    system: SmallSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch, times=2)

    with pytest.raises(PromotionHalted) as halted:
        system.promote()

    assert system.words() == ("new", "old")
    assert "No space left" in halted.value.why and "edms-confirmed" in halted.value.where
    assert "`edms-backup rollback`" in halted.value.fix
    disk.is_emptied()
    assert "interrupted after the database was swapped" in system.recover()[0]
    assert system.words() == ("new", "new")
    assert system.database.promoted_by("by-hand")


def test_a_run_that_is_stopped_there_leaves_the_rest_to_the_next(
    system: SmallSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(database: SqliteDatabase, confirmed: Confirmed | None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SqliteDatabase, "_note", stopped)
        system.promote()

    assert system.words() == ("new", "old")
    system.recover()
    assert system.words() == ("new", "new")


def test_where_the_database_does_not_answer_any_more_nobody_is_told_that_nothing_changed(
    system: SmallSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the server is lost while it commits."""
    gone = DatabaseRefused("The database does not answer.", where="db.example")
    identity, note = SqliteDatabase.identity, SqliteDatabase._note

    def lost(*_: object) -> str:
        raise gone

    def lost_at_the_commit(database: SqliteDatabase, confirmed: Confirmed | None) -> None:
        monkeypatch.setattr(SqliteDatabase, "identity", lost)
        raise gone

    monkeypatch.setattr(SqliteDatabase, "_note", lost_at_the_commit)
    with pytest.raises(PromotionHalted, match="not known") as halted:
        system.promote()
    monkeypatch.setattr(SqliteDatabase, "identity", identity)
    monkeypatch.setattr(SqliteDatabase, "_note", note)

    assert halted.value.where == "db.example" and "does not answer" in halted.value.why
    assert (system.words(), system.staged_media.is_dir()) == (("new", "old"), True)
    system.recover()
    assert system.words() == ("new", "new")
