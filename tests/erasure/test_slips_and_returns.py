"""Slips when an erasure is recorded, and rows that come back in another way than by an earlier snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edms_tasks.erasure.ledger import Erased, Erasure, Ledger
from edms_tasks.errors import CommandError
from edms_tasks.manifest import ConvertedFrom, Manifest, ObjectRef
from edms_tasks.repository import Repository
from flows.erasures import listed, record, withdraw
from tests.direct_access import execute, query
from tests.reference_system import ReferenceEdmsFactory
from tests.repository.samples import manifest_of
from tests.running import Protected, encrypt, protect

OLD = ConvertedFrom(format="dumpdata", name="old.json", bytes=1, exact=False, losses=0)


@pytest.fixture
def person(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> Protected:
    """A system with a snapshot of a user to whom nothing refers."""
    edms = edms_factory("sqlite", documents=5, seed=1)
    execute(
        edms,
        "INSERT INTO users_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,"
        " date_joined, employee_id, department) VALUES (900, 'x', 0, 'olga', 'Olga', 'Old', 'o@x.org', 0, 1,"
        " '2026-01-01 00:00:00', 'E-900', 'QA')",
    )
    protected = encrypt(protect(edms, tmp_path))
    protected.backup()
    return protected


def _is_in(copy: Path) -> bool:
    import sqlite3

    with sqlite3.connect(copy) as connection:
        return bool(connection.execute("SELECT count(*) FROM users_user WHERE id = 900").fetchone()[0])


@pytest.mark.long  # a row that is there again is asked below
def test_more_than_one_row_and_an_empty_value_are_no_slip(person: Protected) -> None:
    execute(person.edms, "UPDATE users_user SET department = 'QA'")
    person.backup()
    with pytest.raises(CommandError, match="value is empty"):
        record(person.settings, "users.User:department=", [], reason="request", by=None)
    with pytest.raises(CommandError, match=r"\d+ rows of users.User have this value") as refused:
        record(person.settings, "users.User:department=QA", [], reason="request", by=None)
    assert "--several" in refused.value.fix
    assert listed(person.settings).lines == ()

    ((count,),) = query(person.edms, "SELECT count(*) FROM users_user WHERE department = 'QA'")
    made = record(person.settings, "users.User:department=QA", ["last_name=name"], reason="r", by=None, several=True)
    assert made.rows == count > 1


@pytest.mark.long
def test_an_erasure_that_was_withdrawn_is_not_applied(person: Protected, tmp_path: Path) -> None:
    made = record(person.settings, "users.User:olga", [], reason="request 22", by=None)
    assert person.restore(into=str(tmp_path / "without.sqlite3"), into_files=tmp_path / "1").success
    assert not _is_in(tmp_path / "without.sqlite3")

    withdraw(person.settings, made.id[:12], reason="it was another Olga", by="Ann")

    assert person.restore(into=str(tmp_path / "with.sqlite3"), into_files=tmp_path / "2").success
    assert _is_in(tmp_path / "with.sqlite3")
    (line,) = listed(person.settings).lines
    assert line.withdrawn and "Withdrawn" in line.still_in
    with pytest.raises(CommandError, match="withdrawn before"):
        withdraw(person.settings, made.id, reason="again", by=None)
    with pytest.raises(CommandError, match="no such erasure"):
        withdraw(person.settings, "ffff", reason="none", by=None)


def test_a_row_that_was_renamed_is_found_by_its_primary_key(person: Protected) -> None:
    execute(person.edms, "UPDATE users_user SET username = 'olga.new' WHERE id = 900")
    person.backup()

    made = record(person.settings, "users.User:olga.new", [], reason="request 24", by=None)

    assert (made.rows, len(made.renamed)) == (1, 1)
    assert "users.User:id=900" in made.warnings[0]
    assert record(person.settings, "users.User:id=900", [], reason="request 24", by=None).warnings == ()


@pytest.mark.long
def test_a_row_that_is_there_again_later_is_said(
    person: Protected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(person.settings, "users.User:olga", [], reason="request 25", by=None)
    monkeypatch.setattr("edms_tasks.erasure.ledger._CLOCKS", timedelta(0))
    later = person.backup()  # nobody erased her in the EDMS

    result = person.restore(later.snapshot_id, into=str(tmp_path / "copy.sqlite3"), into_files=tmp_path / "files")

    assert result.success
    assert any("request 25" in note and "is restored" in note and "olga" not in note for note in result.notes)


@pytest.mark.long  # a planned restore and a prune say the same, in test_erasures
def test_a_rollback_says_what_was_erased_since(person: Protected) -> None:
    assert person.restore().promoted
    record(person.settings, "users.User:olga", [], reason="request 26", by=None)

    done = person.rollback()

    assert any("1 erasure recorded since" in note and "olga" not in note for note in done.notes)


def test_a_converted_snapshot_is_of_before_every_erasure() -> None:
    """Its time may be that of the conversion, and what it holds is older."""
    erased = Erased(edms="e", table="users_user", label="users.User", row={"username": "olga"})
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ledger = Ledger((Erasure("a" * 64, at, "Ann", "request 27", erased),), ())
    backup = Manifest.from_json(manifest_of(ObjectRef(sha256="0" * 64, size=1)), where="").model_copy(
        update={"created": at + timedelta(days=9)}
    )
    converted = backup.model_copy(update={"converted": OLD})

    assert (ledger.before(backup), ledger.deleted_before(backup)) == ((), ledger.erasures)
    assert (ledger.before(converted), ledger.deleted_before(converted)) == (ledger.erasures, ())


@pytest.mark.long
def test_snapshots_converted_from_old_backups_are_searched_and_counted(person: Protected) -> None:
    repository = Repository.open(person.settings.repository)
    (made,) = repository.snapshots()
    converted = repository.read_manifest(made).model_copy(update={"converted": OLD, "previous": None, "number": None})
    execute(person.edms, "DELETE FROM users_user WHERE id = 900")
    person.backup()
    repository.write_snapshot(converted.to_json())
    with repository.lock("prune"):
        repository.remove_snapshot(made)

    record(person.settings, "users.User:olga", [], reason="request 28", by=None)

    (line,) = listed(person.settings).lines
    assert converted.created in line.older


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        (["a b", "c"], ["a b", "c"]),
        (["a", "a b"], ["a b"]),
        (["a", "", "b"], ["b"]),
        (["a", ""], [""]),
        (["", "a"], ["a"]),
    ],
)
def test_erasures_of_one_row_add_up_unless_one_stands_in_the_place_of_another(
    entries: list[str], left: list[str]
) -> None:
    made = [
        Erasure(
            str(number),
            datetime(2026, 6, 1 + number, tzinfo=UTC),
            "Ann",
            "",
            Erased(edms="e", table="t", label="t", row={"id": "1"}, columns=dict.fromkeys(columns.split(), "hash")),
        )
        for number, columns in enumerate(entries)
    ]
    snapshot = Manifest.from_json(manifest_of(ObjectRef(sha256="0" * 64, size=1)), where="").model_copy(
        update={"created": datetime(2026, 5, 1, tzinfo=UTC)}
    )

    due = Ledger(tuple(made), ()).before(snapshot)

    assert [" ".join(one.erased.columns) for one in due] == left
