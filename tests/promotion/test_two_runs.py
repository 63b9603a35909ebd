"""Two runs on one target, with settings and work folders of their own: at every step of the one, the other is tried."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, tzinfo
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.errors import AlreadyPromoted, EdmsBackupError, NothingToRollBack, TargetChanged, TargetLocked
from edms_tasks.promotion import set_aside_names
from edms_tasks.repository import Repository
from flows.rollback import list_ways_back
from flows.running.threads import ThreadRunner
from tests.postgres_server import PostgresServer
from tests.promotion.two_settings import SmallEdms, Trying, small_edms
from tests.put_back import KeptDatabase, KeptFolder
from tests.running import run_backup, run_merge, run_restore, run_rollback

pytestmark = pytest.mark.usefixtures("edms_asked_once")

# The locks of both engines are in test_locks.
MOSTLY_SQLITE = pytest.mark.parametrize(
    "edms", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
LAST_BEFORE_THE_LOCK = "find target"


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallEdms, KeptFolder]:
    folder = tmp_path_factory.mktemp("on_sqlite")
    return _changed_since_its_backup(folder, None), KeptFolder(folder)


@pytest.fixture(scope="module")
def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[tuple[SmallEdms, KeptFolder, KeptDatabase]]:
    folder, name = tmp_path_factory.mktemp("on_postgresql"), f"two_runs_{secrets.token_hex(3)}"
    made = _changed_since_its_backup(folder, postgres_server.create_database(name))
    database = KeptDatabase(postgres_server, name)
    yield made, KeptFolder(folder), database
    database.forget()


def _changed_since_its_backup(folder: Path, url: str | None) -> SmallEdms:
    made = small_edms(folder, url)
    made.set_to("then")
    made.backup()
    made.set_to("now")
    return made


@pytest.fixture
def edms(request: pytest.FixtureRequest) -> SmallEdms:
    """Backed up with "then" in rows and files, and changed to "now" since."""
    made: SmallEdms
    made, *kept = request.getfixturevalue(f"on_{request.param}")
    for one in kept:
        one.put_back()
    return made


@MOSTLY_SQLITE
@pytest.mark.parametrize(
    "step", [pytest.param("", marks=pytest.mark.long), "stage "], ids=["every step", "every stage"]
)
def test_at_every_step_of_a_restore_another_restore_rollback_or_merge_is_refused(edms: SmallEdms, step: str) -> None:
    refused: list[str] = []

    def another(point: str) -> None:
        if LAST_BEFORE_THE_LOCK not in steps.points[:-1] or not point.startswith(step):
            return
        attempts = [
            lambda: edms.restore(edms.second),
            lambda: run_rollback(edms.second),
            lambda: run_merge(edms.second, snapshot="latest"),
        ]
        with pytest.raises(TargetLocked):
            attempts[len(refused) % len(attempts)]()
        refused.append(point)

    steps = Trying(another)
    result = run_restore(edms.first, steps, snapshot="latest")

    assert result.promoted
    assert edms.state() == ("then", "then")
    assert "stage validate" in refused and "stage promote" in refused
    assert not list(edms.folder.glob("*.edms-*"))


@MOSTLY_SQLITE
@pytest.mark.long
def test_while_a_backup_reads_rows_and_files_nothing_is_swapped(edms: SmallEdms) -> None:
    """`--no-wait` shows it without waiting: refused while it reads; before and after, a restore is a restore."""
    done: dict[str, str] = {}

    def another(point: str) -> None:
        if point in ("read catalogue", "stage serialize", "store the files of media", "stage verify"):
            try:
                edms.restore(edms.second, wait=False)
                done[point] = "promoted"
            except TargetLocked:
                done[point] = "refused"

    result = run_backup(edms.first, Trying(another))

    assert done == {
        "read catalogue": "refused",
        "stage serialize": "refused",
        "store the files of media": "refused",
        "stage verify": "promoted",
    }
    # All was read, and the manifest written: that restore brought back what this backup has made.
    assert edms.state() == ("now", "now")
    assert edms.restore(edms.first).snapshot_id == result.snapshot_id


@pytest.mark.long
@MOSTLY_SQLITE
def test_two_work_folders_that_restore_in_the_same_second_set_aside_two_systems(
    edms: SmallEdms, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Stopped:
            return cls(2026, 11, 22, 23, 30, tzinfo=tz)

    monkeypatch.setattr(set_aside_names, "datetime", Stopped)

    assert edms.restore(edms.first).promoted
    edms.set_to("between")
    assert edms.restore(edms.second).promoted

    assert edms.state() == ("then", "then")
    run_rollback(edms.second)
    assert edms.state() == ("between", "between")
    set_aside = sorted(edms.folder.glob("media.previous-*"))
    assert [(one / "a.txt").read_text(encoding="utf-8") for one in set_aside] == ["now"]


@MOSTLY_SQLITE
def test_a_backup_beside_a_restore_holds_one_state_whole(edms: SmallEdms) -> None:
    made: list[str] = []

    def another(point: str) -> None:
        if point in ("stage stage", "stage promote"):
            made.append(run_backup(edms.second).snapshot_id)

    assert run_restore(edms.first, Trying(another), snapshot="latest").promoted
    for snapshot in made:
        run_restore(edms.first, snapshot=snapshot)
        assert edms.state() == ("now", "now")


@MOSTLY_SQLITE
def test_a_folder_that_is_replaced_while_a_backup_reads_fails_it(edms: SmallEdms) -> None:
    def by_hand(point: str) -> None:
        if point == "stage serialize":
            (edms.folder / "media").rename(edms.folder / "media.old")
            shutil.copytree(edms.folder / "media.old", edms.folder / "media")

    with pytest.raises(TargetChanged):
        run_backup(edms.first, Trying(by_hand))


@MOSTLY_SQLITE
def test_what_is_changed_after_the_validation_is_not_promoted(edms: SmallEdms) -> None:
    staged: list[tuple[StagingDatabase, Path]] = []

    def intrude(point: str) -> None:
        if point == "stage promote":
            staging, folder = staged[0]
            if staging.address.engine == "sqlite":
                with closing(sqlite3.connect(staging.address.name)) as connection, connection:
                    connection.execute("DELETE FROM small_document")
            else:
                with pytest.raises(psycopg.OperationalError):
                    psycopg.connect(staging.address.url())
                folder.rename(folder.with_name("taken"))
                shutil.copytree(folder.with_name("taken"), folder)

    with pytest.raises(TargetChanged):
        run_restore(
            edms.first,
            Trying(intrude),
            snapshot="latest",
            before_validation=lambda staging, folders: staged.append((staging, folders[0])),
        )
    assert edms.state() == ("now", "now")


@MOSTLY_SQLITE
def test_a_rollback_can_be_undone_and_never_goes_further_back_by_itself(edms: SmallEdms) -> None:
    edms.restore()
    edms.set_to("later")
    edms.restore()
    edms.set_to("latest")

    back = run_rollback(edms.first)
    assert edms.state() == ("later", "later")
    with pytest.raises(NothingToRollBack):
        run_rollback(edms.first)
    run_rollback(edms.first, stamp=back.stamp)
    assert edms.state() == ("latest", "latest")

    oldest = list_ways_back(edms.first).ways[-1]
    run_rollback(edms.first, stamp=oldest.stamp)
    assert edms.state() == ("now", "now")


@MOSTLY_SQLITE
def test_a_confirmation_promotes_once_and_the_journal_is_its_owners_alone(edms: SmallEdms) -> None:
    confirmed = ThreadRunner()
    confirmed.run_id = "run 1"
    before = os.umask(0)
    try:
        run_restore(edms.first, confirmed, snapshot="latest")
    finally:
        os.umask(before)
    edms.set_to("work done since")
    with pytest.raises(AlreadyPromoted):
        run_restore(edms.first, confirmed, snapshot="latest")
    assert edms.state() == ("work done since", "work done since")
    journal = edms.first.workdir / "promotions.json"
    assert (journal.stat().st_mode & 0o777, edms.second.workdir.exists()) == (0o600, False)
    assert json.loads(journal.read_text(encoding="utf-8"))[0]["evidence"]["verdict"] == "proved"


@pytest.mark.long
@pytest.mark.parametrize(
    ("edms", "nothing_was_live"),
    [
        ("sqlite", False),
        ("sqlite", True),
        *(pytest.param("postgresql", nothing, marks=pytest.mark.long) for nothing in (False, True)),
    ],
    indirect=["edms"],
)
def test_a_confirmation_that_another_work_folder_knows_of_promotes_no_second_time(
    edms: SmallEdms, nothing_was_live: bool
) -> None:
    """Prefect may hand a retry to another worker; and a rollback since makes it no new confirmation."""
    confirmed = ThreadRunner()
    confirmed.run_id = "4b1f4c9e-run"
    if nothing_was_live:
        edms.lose_the_database()
    run_restore(edms.first, confirmed, snapshot="latest")
    edms.set_to("work done since")
    (done,) = json.loads((edms.first.workdir / "promotions.json").read_text(encoding="utf-8"))

    with pytest.raises(AlreadyPromoted) as told:
        run_restore(edms.second, confirmed, snapshot="latest")

    assert edms.state() == ("work done since", "work done since")
    assert done["stamp"] in told.value.what
    if not nothing_was_live:
        run_rollback(edms.first)
        with pytest.raises(AlreadyPromoted):
            run_restore(edms.second, confirmed, snapshot="latest")
        assert edms.state() == ("now", "now")
    # The record is none of the EDMS's: a backup carries nothing of it, and its restore is proved.
    edms.backup()
    assert edms.restore().promoted


@MOSTLY_SQLITE
def test_a_confirmation_is_on_record_though_the_run_was_killed_after_the_swap(
    edms: SmallEdms, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = ThreadRunner()
    confirmed.run_id = "4b1f4c9e-run"
    with monkeypatch.context() as killed:
        killed.setattr("edms_tasks.promotion.swap.finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            run_restore(edms.first, confirmed, snapshot="latest")
    assert edms.state()[0] == "then"

    with pytest.raises(AlreadyPromoted):
        run_restore(edms.second, confirmed, snapshot="latest")

    assert edms.state() == ("then", "then")


@MOSTLY_SQLITE
def test_a_promotion_whose_run_was_killed_before_its_report_is_in_the_log_after_its_retry_and_once(
    edms: SmallEdms, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = ThreadRunner()
    confirmed.run_id = "4b1f4c9e-run"
    with monkeypatch.context() as killed:  # nothing of the run's end is left, as after a SIGKILL
        killed.setattr("flows.restore.report_restore", _killed)
        killed.setattr("flows.evidence.repository_log.record_failure", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            run_restore(edms.first, confirmed, snapshot="latest")
    log = Repository.open(edms.first.repository).log
    assert "restore" not in {entry.event for entry in log.backwards()}

    for _ in range(2):
        with pytest.raises(AlreadyPromoted):
            run_restore(edms.first, confirmed, snapshot="latest")

    (entry,) = [entry for entry in log.backwards() if entry.event == "restore"]
    assert (entry.outcome, entry.facts["verdict"], entry.facts["promoted"]) == ("success", "proved", True)
    assert entry.snapshot is not None and entry.facts["run"] == "4b1f4c9e-run"


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@MOSTLY_SQLITE
def test_a_promotion_whose_report_cannot_be_written_says_what_is_live(
    edms: SmallEdms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.restoring.reporting.write_recovery_report", full)
    with pytest.raises(EdmsBackupError) as told:
        edms.restore()
    assert (told.value.code, told.value.exit_code) == ("evidence-not-written", 4)
    assert edms.state() == ("then", "then")


@pytest.mark.long
def test_a_merge_whose_report_cannot_be_written_says_that_it_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edms = small_edms(tmp_path)
    edms.set_to("then")
    snapshot = edms.backup().snapshot_id
    live = edms.folder / "db.sqlite3"
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("DELETE FROM small_document")
        connection.commit()

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.merging.merge_report.render", full)
    with pytest.raises(EdmsBackupError) as told:
        run_merge(edms.first, snapshot=snapshot)
    assert (told.value.code, told.value.exit_code) == ("evidence-not-written", 4)
    assert "merged and proved (1 rows written)" in told.value.what
    with closing(sqlite3.connect(live)) as connection:
        assert connection.execute("SELECT number FROM small_document").fetchall() == [("then",)]

    with pytest.raises(OSError, match="No space"):  # a plan has changed nothing, and is no more than its report
        run_merge(edms.first, snapshot=snapshot, dry_run=True)


@MOSTLY_SQLITE
def test_a_media_root_that_is_a_link_stays_one(edms: SmallEdms, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (edms.folder / "media").rename(disk / "media")
    (edms.folder / "media").symlink_to(disk / "media")

    edms.restore()

    assert (edms.folder / "media").is_symlink()
    assert (disk / "media" / "a.txt").read_text(encoding="utf-8") == "then"
    assert edms.state() == ("then", "then")
