"""Snapshots of format 1 are verified, restored, compared, salvaged and continued by snapshots of format 2."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.erasure.ledger import Erased, Erasure, Ledger
from tests.earlier_release import empty_system, recorded_snapshots
from tests.independent_comparison import hashes
from tests.plain_snapshot_reader import PlainRepository, content_digest, exact_digest
from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import Protected, run_diff

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]
FOLDER = Path(__file__).parent
ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@pytest.fixture
def old(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> Callable[[Engine], Protected]:
    """An empty EDMS whose repository has snapshots of format 1 of another installation."""

    def make(engine: Engine) -> Protected:
        return empty_system(edms_factory, engine, FOLDER, tmp_path)

    return make


def _expected(engine: Engine) -> list[dict[str, Any]]:
    return recorded_snapshots(engine, FOLDER)


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_old_snapshots_are_verified_and_come_back_exactly(engine: Engine, old: Callable[[Engine], Protected]) -> None:
    protected = old(engine)
    assert protected.verify().problems == ()

    for one in _expected(engine):
        result = protected.restore(one["snapshot"])
        assert result.success and result.promoted, result.failures
        assert hashes(protected.edms) == one["picture"]


def test_a_plain_reader_reads_old_snapshots(old: Callable[[Engine], Protected]) -> None:
    repository = PlainRepository(old("sqlite").repository)
    for one in _expected("sqlite"):
        for entry in repository.manifest(one["snapshot"])["tables"]:
            frame = repository.frame(entry)
            assert exact_digest(entry, frame) == entry["state"]["exact_digest"]
            assert content_digest(entry, frame) == entry["state"]["content_digest"]


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_the_next_backup_is_of_format_2_and_the_one_after_it_stores_no_row(
    engine: Engine, old: Callable[[Engine], Protected]
) -> None:
    protected = old(engine)
    newest = _expected(engine)[-1]["snapshot"]
    manifest = json.loads((protected.repository / "snapshots" / f"{newest}.json").read_bytes())
    same = f'[edms]\nid = "{manifest["identity"]["id"]}"'
    protected.config.write_text(
        protected.config.read_text(encoding="utf-8").replace("[edms]", same, 1), encoding="utf-8"
    )
    assert protected.restore(newest).success
    config = json.loads((protected.repository / "config.json").read_bytes())
    assert config["format"] == 1

    made = protected.backup()
    again = protected.backup()

    assert json.loads((protected.repository / "config.json").read_bytes()) == {**config, "format": 2}
    assert made.verified and made.manifest.format == 2 and again.verified
    assert [note for note in made.notes if "format 1" in note] and not [
        note for note in again.notes if "format 1" in note
    ]
    assert again.manifest.tables == made.manifest.tables
    assert protected.verify().problems == ()
    assert run_diff(protected.settings, snapshot=newest, other=made.snapshot_id).equal
    assert protected.restore(again.snapshot_id).success
    assert hashes(protected.edms) == _expected(engine)[-1]["picture"]


@pytest.mark.long  # of the present format, in test_damaged_repository and tests/salvage
def test_a_damaged_old_snapshot_fails_its_verification_and_is_salvaged(old: Callable[[Engine], Protected]) -> None:
    protected = old("sqlite")
    newest = _expected("sqlite")[-1]["snapshot"]
    manifest = json.loads((protected.repository / "snapshots" / f"{newest}.json").read_bytes())
    entry = max(manifest["tables"], key=lambda entry: len(entry["chunks"]))
    chunk = entry["chunks"][0]
    path = protected.repository / "objects" / chunk["object"]["sha256"][:2] / chunk["object"]["sha256"]
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    assert any(entry["table"]["model"] in problem for problem in protected.verify(newest).problems)
    refused = protected.restore(newest, salvage=True, into=str(protected.edms.database_path.with_name("salvaged.sqlite3")),
                                into_files=protected.config.parent / "salvaged")  # fmt: skip
    assert refused.losses is not None
    (lost,) = [table for table in refused.losses.tables if table.label == entry["table"]["model"]]
    assert lost.lost == chunk["rows"] - chunk["superseded_rows"]


@pytest.mark.long
def test_masked_copies_and_erasures_of_old_snapshots_are_proved(
    old: Callable[[Engine], Protected], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected, snapshot = old("sqlite"), _expected("sqlite")[0]["snapshot"]
    rules = tmp_path / "rules.toml"
    rules.write_text('[columns]\n"users.User.email" = "email"\n[search]\nnot_personal = []\n', encoding="utf-8")
    copy = str(tmp_path / "copy.sqlite3")
    masked = protected.restore(snapshot, into=copy, into_files=tmp_path / "masked", mask=rules)
    assert (masked.verdict, masked.failures) == ("masked", ())

    whole = str(tmp_path / "whole.sqlite3")
    protected.restore(snapshot, into=whole, into_files=tmp_path / "whole")
    people = "SELECT id, email FROM users_user WHERE email <> '' ORDER BY id"
    with closing(sqlite3.connect(whole)) as live, closing(sqlite3.connect(copy)) as made:
        was, now = dict(live.execute(people)), dict(made.execute(people))
    assert was.keys() == now.keys() and not {*was.values()} & {*now.values()}

    person, email = next(iter(was.items()))
    row = Erased(edms="", table="users_user", label="users.User", row={"id": str(person)}, columns={"email": "email"})
    erasure = Erasure("e" * 64, datetime.now(UTC), "Ann", "request", row)
    monkeypatch.setattr("flows.restoring.erasing.read_ledger", lambda *_, **__: Ledger((erasure,), ()))
    erased_into = str(tmp_path / "erased.sqlite3")
    erased = protected.restore(snapshot, into=erased_into, into_files=tmp_path / "erased")
    assert (erased.verdict, erased.failures) == ("proved", ())
    with closing(sqlite3.connect(erased_into)) as made:
        left = dict(made.execute(people))
    assert left.pop(person) != email and left == {key: value for key, value in was.items() if key != person}
