"""The nightly backup goes into the repository it has always gone into, or stops and says what was expected and what is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edms_tasks.errors import AnotherRepository, DamagedRepository
from edms_tasks.lineage import reopen_repository
from edms_tasks.lineage.last_backup_record import BackupRecord, remember, remembered
from edms_tasks.lineage.reopen_repository import Reopened, reopen
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings, Settings
from tests.lineage.conftest import Shelf, this_edms
from tests.repository.samples import identity_of


class Office:
    """A working folder and a repository, as a backup finds them night after night."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = folder / "disk" / "backups"
        self.workdir = folder / "work"

    def settings(self, **repository: str) -> Settings:
        return Settings(workdir=self.workdir, repository=RepositorySettings(**{"url": str(self.url), **repository}))

    def night(self, *, settings: Settings | None = None, edms: str = "ours", **flags: bool) -> Reopened:
        """What a backup does with the repository, and with the record of it."""
        chosen = settings or self.settings()
        found = reopen(chosen, this_edms(edms), **flags)
        shelf = Shelf.__new__(Shelf)
        shelf.repository, shelf.folder = found.repository, Path(chosen.repository.url)
        snapshot_id = shelf.add(edms, 1, here=found.witness.mark if found.witness else None)
        number = shelf.manifest(snapshot_id).number or 0
        remember(
            self.workdir,
            BackupRecord(
                repository=found.repository.identity,
                url=found.repository.display,
                identity=identity_of(edms),
                snapshot=snapshot_id,
                number=number,
                at=datetime.now(UTC),
            ),
        )
        return found


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_first_backup_creates_the_repository_and_says_so(office: Office) -> None:
    first = office.night()
    second = office.night()

    assert any("NEW REPOSITORY" in note and str(office.url) in note for note in first.notes)
    assert second.notes == ()


def _unmounted(office: Office) -> None:
    shutil.rmtree(office.url.parent)


def _an_empty_folder(office: Office) -> None:
    shutil.rmtree(office.url)
    office.url.mkdir()


def _a_new_one(office: Office) -> None:
    shutil.rmtree(office.url)
    Repository.create(office.settings().repository)


@pytest.mark.parametrize("happens", [_unmounted, _an_empty_folder, _a_new_one])
def test_a_repository_that_is_not_the_one_used_before_stops_the_backup(
    office: Office, happens: Callable[[Office], None]
) -> None:
    identity = office.night().repository.identity
    happens(office)
    there = sorted(path for path in office.folder.rglob("*") if "disk" in str(path))

    with pytest.raises(AnotherRepository) as refused:
        office.night()

    assert identity in refused.value.why
    assert refused.value.fix
    assert sorted(path for path in office.folder.rglob("*") if "disk" in str(path)) == there, "nothing was created"


@pytest.mark.parametrize("happens", [_unmounted, _an_empty_folder])
def test_the_id_in_the_settings_is_enough_on_a_machine_that_remembers_nothing(
    office: Office, happens: Callable[[Office], None]
) -> None:
    identity = office.night().repository.identity
    shutil.rmtree(office.workdir)
    happens(office)

    with pytest.raises(AnotherRepository, match=identity):
        office.night(settings=office.settings(id=identity))


def test_another_edms_with_the_same_working_folder_creates_no_second_repository_at_the_same_url(office: Office) -> None:
    office.night()
    _unmounted(office)

    with pytest.raises(AnotherRepository):
        office.night(edms="renamed")  # an id that is derived changes with the host's name, in containers every night


def test_another_empty_url_is_refused_too(office: Office) -> None:
    office.night()

    with pytest.raises(AnotherRepository):
        office.night(settings=office.settings(url=str(office.folder / "elsewhere")))


def test_an_older_copy_of_the_repository_is_refused(office: Office) -> None:
    office.night()
    shutil.copytree(office.url, office.folder / "copy")
    office.night()
    office.night()
    shutil.rmtree(office.url)
    (office.folder / "copy").rename(office.url)

    with pytest.raises(AnotherRepository, match="older") as refused:
        office.night()
    assert "number 3" in refused.value.why and "number 1" in refused.value.why

    assert any("lacks snapshot" in note for note in office.night(accept=True).notes)
    assert office.night().notes == ()


def test_options_allow_a_new_or_another_repository(office: Office) -> None:
    office.night()
    _unmounted(office)
    assert any("as asked" in note for note in office.night(create=True).notes)
    assert office.night().notes == ()

    _a_new_one(office)
    with pytest.raises(AnotherRepository):
        office.night(create=True)  # there is one: making one was not asked for in vain, but it is not this one
    assert office.night(accept=True).notes
    assert office.night().notes == ()


def test_two_disks_used_in_turn_are_both_known(office: Office) -> None:
    office.night()
    office.url.rename(office.folder / "first disk")
    office.night(create=True)
    office.url.rename(office.folder / "second disk")
    (office.folder / "first disk").rename(office.url)

    assert any("another repository" in note for note in office.night().notes)


def test_a_lost_config_is_not_created_again_beside_head_records(office: Office) -> None:
    office.night()
    (office.url / "config.json").unlink()
    shutil.rmtree(office.url / "snapshots")

    with pytest.raises((AnotherRepository, DamagedRepository)):
        office.night()
    with pytest.raises(DamagedRepository):
        office.night(create=True)


def test_a_damaged_record_in_the_working_folder_is_reported(office: Office) -> None:
    office.night()
    (record,) = (office.workdir / "last").iterdir()
    record.write_text("{")

    assert [one.code for one in office.night().findings] == ["last-backup-unreadable"]


def test_the_record_is_for_its_owner_alone_whatever_the_umask(office: Office) -> None:
    office.night()

    (record,) = (office.workdir / "last").iterdir()
    assert record.stat().st_mode & 0o077 == 0
    assert len(remembered(office.workdir).witnesses) == 1


def test_a_mount_point_without_its_disk_is_named(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.url.parent.mkdir()
    fstab = office.folder / "fstab"
    fstab.write_text(f"# disks\nUUID=1 / ext4 defaults 0 1\nUUID=2 {office.url.parent} ext4 noauto 0 2\n")
    monkeypatch.setattr(reopen_repository, "_FSTAB", fstab)

    with pytest.raises(AnotherRepository, match="not mounted") as refused:
        office.night()
    assert "nothing is mounted there" in refused.value.why
    assert list(office.url.parent.iterdir()) == []
    assert office.night(create=True).notes
