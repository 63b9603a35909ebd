"""The log of a repository cannot be changed, shortened or continued by a stranger without its being noticed."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import Witness
from edms_tasks.repository.backend import LocalBackend
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings
from tests.repository.conftest import encrypted_settings

ENTRIES = 6


@pytest.fixture
def place(tmp_path: Path) -> RepositorySettings:
    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "plant-1")
    for number in range(ENTRIES):
        add(settings, f"snapshot {number}")
    return settings


def add(settings: RepositorySettings, what: str, event: str = "backup") -> Witness:
    return Repository.open(settings).log.append(event, "success", version="1", facts={"what": what, "é": [1.5, None]})


def file(settings: RepositorySettings, number: int) -> Path:
    return Path(settings.url) / "log" / f"{number:012d}.json"


def problems(settings: RepositorySettings, witness: Witness | None = None) -> tuple[str, ...]:
    return Repository.open(settings).log.check(witness).problems


def elsewhere(settings: RepositorySettings, tmp_path: Path) -> RepositorySettings:
    """The same repository from a machine that has not seen it before."""
    return settings.model_copy(update={"copies": tmp_path / "nothing"})


def test_a_log_as_it_was_written_has_no_problem(place: RepositorySettings) -> None:
    checked = Repository.open(place).log.check()
    assert checked.problems == ()
    assert [entry.number for entry in checked.entries] == [1, 2, 3, 4, 5, 6]
    assert [entry.facts["what"] for entry in checked.entries] == [f"snapshot {number}" for number in range(6)]
    assert {entry.machine for entry in checked.entries} == {"plant-1"}
    assert checked.last == Repository.open(place).log.remembered()


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_a_removed_entry_is_missed(place: RepositorySettings, number: int) -> None:
    file(place, number).unlink()
    said = problems(place)
    assert len([problem for problem in said if f"Entry {number} " in problem or f"entry {number} " in problem]) == 1, (
        said
    )
    assert Repository.open(place).log.witness_problem()  # which every backup, list and status ask for


def test_several_removed_entries_are_one_gap_and_one_sentence(place: RepositorySettings) -> None:
    for number in (2, 3):
        file(place, number).unlink()
    assert problems(place) == (Repository.open(place).log.witness_problem(),)
    assert "Entries 2 to 3 " in problems(place)[0]


@pytest.mark.parametrize("kept", range(ENTRIES))
def test_a_log_that_was_cut_off_is_noticed_by_who_has_seen_it(
    place: RepositorySettings, tmp_path: Path, kept: int
) -> None:
    witness = Repository.open(place).log.last()
    for number in range(kept + 1, ENTRIES + 1):
        file(place, number).unlink()

    assert problems(place)  # this machine has seen it
    assert problems(elsewhere(place, tmp_path)) == ()  # who has not cannot know,
    assert problems(elsewhere(place, tmp_path), witness)  # unless a report says so


def test_a_copy_that_is_behind_is_no_shortened_log(place: RepositorySettings, tmp_path: Path) -> None:
    shutil.copytree(place.url, tmp_path / "copy")
    add(place, "after the copy")
    copy = place.model_copy(update={"url": str(tmp_path / "copy")})
    assert problems(copy) == ()
    assert Repository.open(copy).log.witness_problem() == ""


def test_a_log_that_was_cut_off_stays_noticed_after_it_is_continued(place: RepositorySettings) -> None:
    for number in (5, 6):
        file(place, number).unlink()
    for number in range(4):
        add(place, f"later {number}")
    assert problems(place)
    assert Repository.open(place).log.witness_problem()


def _changed(path: Path) -> None:
    path.write_text(path.read_text().replace('"root"', '"toor"').replace("snapshot 2", "snapshot X"))


def _swapped(path: Path) -> None:
    other = path.with_name("000000000004.json")
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _unsigned(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"signer": "", "signature": ""}))


def _renumbered(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"number": 9}))


@pytest.mark.parametrize("change", [_changed, _swapped, _emptied, _unsigned, _renumbered])
def test_a_changed_entry_is_noticed_anywhere(
    place: RepositorySettings, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(file(place, 3))
    assert problems(place)
    assert problems(elsewhere(place, tmp_path))


def test_every_changed_byte_of_the_last_entry_is_noticed(place: RepositorySettings, tmp_path: Path) -> None:
    whole = file(place, ENTRIES).read_bytes()
    stranger = elsewhere(place, tmp_path)
    log = Repository.open(stranger).log
    missed = []
    for position in range(len(whole) - 1):  # the last byte is a line feed
        altered = bytearray(whole)
        altered[position] ^= 0x04
        file(place, ENTRIES).write_bytes(altered)
        if not log.check().problems:
            missed.append(bytes(altered[max(position - 10, 0) : position + 10]))
    assert not missed


def test_a_log_written_anew_by_somebody_without_the_key_is_noticed(place: RepositorySettings, tmp_path: Path) -> None:
    for number in range(1, ENTRIES + 1):
        file(place, number).unlink()
    assert place.write_key is not None
    key = json.loads(place.write_key.read_text()) | {"signing_key": "7" * 64}
    (tmp_path / "forged").write_text(json.dumps(key))
    for number in range(ENTRIES):
        add(place.model_copy(update={"write_key": tmp_path / "forged", "copies": None}), f"snapshot {number}")

    assert problems(place)
    assert len(problems(elsewhere(place, tmp_path))) >= ENTRIES


def test_a_machine_that_only_restores_may_say_so_unsigned_and_nothing_else(
    place: RepositorySettings, tmp_path: Path
) -> None:
    reader = elsewhere(place, tmp_path).model_copy(update={"write_key": None})
    add(reader, "a drill", event="restore")
    assert problems(place) == ()
    add(reader, "not ours", event="backup")
    assert any("not signed" in problem for problem in problems(place))


def test_runs_at_the_same_time_get_one_entry_each(place: RepositorySettings) -> None:
    threads = [threading.Thread(target=add, args=(place, f"parallel {number}")) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    checked = Repository.open(place).log.check()
    assert checked.problems == ()
    assert len(checked.entries) == ENTRIES + 6


def test_an_accepted_earlier_copy_is_the_log_from_then_on(place: RepositorySettings) -> None:
    file(place, ENTRIES).unlink()
    assert problems(place)
    Repository.open(place).log.accept()
    assert problems(place) == ()
    add(place, "goes on")
    assert problems(place) == ()


@pytest.mark.parametrize("damage", ["", "17:", "a folder"])
def test_a_witness_that_cannot_be_read_is_told_and_stays_as_it_is(place: RepositorySettings, damage: str) -> None:
    assert place.copies is not None
    (witness,) = place.copies.rglob("log-witness-*.txt")
    witness.unlink()
    if damage == "a folder":
        witness.mkdir()
    else:
        witness.write_text(damage)
    file(place, ENTRIES).unlink()

    for said in (Repository.open(place).log.witness_problem(), *problems(place)):
        assert f"cannot be read on this machine ({witness}: " in said
    add(place, "goes on")
    assert problems(place)
    if damage != "a folder":
        Repository.open(place).log.accept()
        assert problems(place) == ()


def test_whether_an_entry_of_this_machine_counts_is_known_without_reading_the_log(
    place: RepositorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` asks it of each entry that it looks at, and a log grows for years."""
    read: list[str] = []
    of_backend = LocalBackend.read

    def counted(backend: LocalBackend, name: str, most: int) -> bytes:
        read.append(name)
        return of_backend(backend, name, most)

    log = Repository.open(place).log
    monkeypatch.setattr(LocalBackend, "read", counted)
    newest = next(log.backwards())

    assert log.proves(newest)
    assert read == [f"log/{ENTRIES:012d}.json"]


def test_entries_that_do_not_follow_each_other_are_noticed_by_who_reads_them(place: RepositorySettings) -> None:
    log = Repository.open(place).log
    assert [entry.number for entry in log.backwards()] == [6, 5, 4, 3, 2, 1]
    assert log.breaks == ()
    _changed(file(place, 3))
    for _ in range(2):
        assert [entry.number for entry in log.backwards()] == [6, 5, 4, 3, 2, 1]
    (said,) = log.breaks
    assert said.startswith("Entry 4 of the log does not follow")


@pytest.mark.parametrize("text", ["", "17", "17:", "x:" + "0" * 64, "0:" + "0" * 64, "1:" + "g" * 64, "1:" + "0" * 63])
def test_a_line_that_is_no_witness_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="witness"):
        Witness.parsed(text)
