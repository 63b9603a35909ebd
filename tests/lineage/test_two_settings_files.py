"""Two settings files of one project, one working folder and one repository: neither takes the other's snapshot for its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from edms_tasks.errors import UndeterminedSnapshot
from edms_tasks.inventory import run_probe
from edms_tasks.lineage import last_backup_record
from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings
from flows.listing import list_snapshots
from tests.inventory.small_project import small_project
from tests.put_back import KeptFolder
from tests.running import run_backup, run_diff, run_verify

CHOSEN_BY_A_VARIABLE = "import os\nDATABASES['default']['NAME'] = BASE / os.environ.get('EDMS_DATABASE', 'one.sqlite3')"
NOTE = "class Note(models.Model):\n    text = models.TextField(unique=True)"


@dataclass(frozen=True)
class Two:
    """The same EDMS code on two databases, which a variable of its environment chooses."""

    one: Settings
    other: Settings
    made: str  # the one snapshot there is, of the one


@pytest.fixture(scope="module")
def kept_two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Two, KeptFolder]:
    folder = tmp_path_factory.mktemp("two_settings_files") / "all"
    made = small_project(folder / "edms", NOTE, settings=CHOSEN_BY_A_VARIABLE)
    (folder / "edms" / "two.sqlite3").write_bytes((folder / "edms" / "one.sqlite3").read_bytes())
    made = made.model_copy(
        update={
            "repository": made.repository.model_copy(update={"url": str(folder / "repository")}),
            "workdir": folder / "work",
        }
    )
    one, other = on(made, "one.sqlite3"), on(made, "two.sqlite3")
    return Two(one, other, backup(one, tag="monday")), KeptFolder(folder)


@pytest.fixture
def two(kept_two: tuple[Two, KeptFolder]) -> Two:
    """The one is backed up, the other not."""
    made, kept = kept_two
    kept.put_back()
    return made


def on(settings: Settings, database: str, **more: str) -> Settings:
    env = {name: SecretStr(value) for name, value in {"EDMS_DATABASE": database, **more}.items()}
    return settings.model_copy(update={"edms": settings.edms.model_copy(update={"env": env})})


def backup(settings: Settings, **options: Any) -> str:
    return run_backup(settings, **options).snapshot_id


def latest(settings: Settings) -> str:
    return chosen_snapshot(settings, Repository.open(settings.repository), "latest").snapshot_id


def test_snapshots_of_the_other_settings_file_are_not_ours(two: Two) -> None:
    other = two.other

    assert latest(two.one) == two.made
    with pytest.raises(UndeterminedSnapshot):
        latest(other)
    for name in ("latest", "monday"):
        with pytest.raises(UndeterminedSnapshot):
            run_verify(other, snapshot=name)
        with pytest.raises(UndeterminedSnapshot):
            run_diff(other, snapshot=name)
    assert list_snapshots(other).all  # with names, and a note that it is not known whose they are


def test_each_settings_file_uses_its_own_record_without_asking_the_edms(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two.one, two.other
    first, second = two.made, backup(other)

    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("the EDMS was started")

    monkeypatch.setattr(run_probe, "_run", must_not_run)

    assert (latest(one), latest(other)) == (first, second)
    for settings, made in ((one, first), (other, second)):
        assert [listed.id for listed in list_snapshots(settings).snapshots] == [made]
        assert run_verify(settings, snapshot="latest").snapshot_ids == (made,)
        run_diff(settings, snapshot="latest", other=made)


def test_a_comparison_with_the_live_system_uses_the_edms_own_identity(two: Two) -> None:
    second = backup(two.other)
    elsewhere = two.other.model_copy(
        update={"workdir": two.other.workdir.with_name("another")}
    )  # that remembers nothing

    result = run_diff(elsewhere, snapshot="latest", other="live")

    assert second[:12] in result.difference.first
    assert result.difference.equal


def test_a_new_password_is_still_the_same_edms(two: Two) -> None:
    url = "postgresql://user:{}@host/name"
    one = on(two.one, "one.sqlite3", DATABASE_PASSWORD="old", DATABASE_URL=url.format("old"))
    made = backup(one)

    assert latest(on(one, "one.sqlite3", DATABASE_PASSWORD="new", DATABASE_URL=url.format("new"))) == made
    with pytest.raises(UndeterminedSnapshot):
        latest(on(one, "one.sqlite3", DATABASE_PASSWORD="old", DATABASE_URL=url.format("old").replace("host", "test")))


def test_a_record_of_an_earlier_release_counts_as_before(two: Two) -> None:
    (record,) = last_backup_record.remembered(two.one.workdir).witnesses
    last_backup_record.remember(two.one.workdir, record.model_copy(update={"described": ""}))

    assert latest(two.one) == two.made
