"""Files in a store are swapped object by object: cut short at any request, the swap is finished or forgotten. On a real S3 server."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from edms_tasks import promotion
from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.sqlite.file_identity import fingerprint
from edms_tasks.errors import NothingToRollBack, PromotionHalted, RepositoryForbidden, TargetChanged, TerminalError
from edms_tasks.files.live_stores import LiveStores
from edms_tasks.promotion import Journal, Promotion, StagedState, store_swap
from edms_tasks.repository.backends.s3_files import S3Files
from edms_tasks.repository.backends.s3_store import S3Store, s3_client
from tests.stores.s3_places import new_bucket, secret_options
from tests.stores.swift_server import S3Account

OLD = {"same.txt": b"same", "changed.txt": b"old", "deep/only old.txt": b"gone soon", "ü/x": b"1", "empty/": b""}
NEW = {"same.txt": b"same", "changed.txt": b"new", "deep/only new.txt": b"back", "ü/x": b"2"}

When = Literal["before", "after"]


class Killed(BaseException):
    """What a kill looks like from inside."""


class SystemInAStore:
    """A database (a file that says old or new) and objects below `media/`; what is to replace them is staged."""

    def __init__(self, account: S3Account, folder: Path) -> None:
        self.client: Any = s3_client(secret_options(account.options), "")
        self.bucket, self.folder = new_bucket(account), folder
        self.live = f"s3://{self.bucket}/media"
        self.stores = LiveStores({"media": self.live}, {}, {"media": secret_options(account.options)})
        self.database = open_database(DatabaseAddress.from_url(f"sqlite:///{folder}/live.sqlite3"))
        self.put("elsewhere.txt", b"not ours")
        self.put("media2/x.txt", b"not ours either")

    def put(self, key: str, data: bytes, **headers: Any) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, **headers)

    def fill(self) -> str:
        """Make the live system the old one and stage the new one; returns the address of the staged objects."""
        for place in ("media/", "media."):
            for key in self.keys(place):
                self.client.delete_object(Bucket=self.bucket, Key=key)
        for path in self.folder.glob("*.sqlite3*"):
            path.unlink()
        for name in ("live", "staged"):
            with sqlite3.connect(self.folder / f"{name}.sqlite3") as connection:
                connection.execute("CREATE TABLE said AS SELECT ? AS word", ["old" if name == "live" else "new"])
            connection.close()
        staged = self.stores.staging(self.live)
        for key, data in OLD.items():
            self.put(f"media/{key}", data)
        for key, data in NEW.items():
            self.put(f"{staged.removeprefix(f's3://{self.bucket}/')}/{key}", data)
        return staged

    def keys(self, beginning: str) -> list[str]:
        got = self.client.list_objects_v2(Bucket=self.bucket, Prefix=beginning)
        return [one["Key"] for one in got.get("Contents", ())]

    def objects(self, place: str) -> dict[str, bytes]:
        """The objects below a prefix, by the rest of their keys."""
        return {
            key.removeprefix(f"{place}/"): self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            for key in self.keys(f"{place}/")
        }

    def word(self) -> str:
        connection = sqlite3.connect(f"file:{self.folder}/live.sqlite3?mode=ro", uri=True)
        try:
            return str(connection.execute("SELECT word FROM said").fetchone()[0])
        finally:
            connection.close()

    def journal(self, workdir: str = "work") -> Journal:
        return Journal(self.folder / workdir / "promotions.json", self.stores)

    def promote(self, staged: str, journal: Journal) -> Promotion:
        incoming = self.folder / "staged.sqlite3"
        its = store_swap.identity(self.stores, staged, self.live, self.folder / "scratch")
        state = StagedState(str(incoming), fingerprint(incoming), (), ((self.live, staged, its),))
        planned = promotion.plan(self.database, journal, state, snapshot_id="a" * 64)
        return promotion.carry_out(
            planned,
            self.database,
            journal,
            fingerprint=state.fingerprint,
            confirm=lambda: None,
            disconnect=False,
        )

    def roll_back(self, journal: Journal, stamp: str | None = None) -> Promotion:
        choice = promotion.choose(self.database, journal, stamp)
        return promotion.roll_back(choice, self.database, journal, confirm=lambda: None, disconnect=False)

    def prefix(self, url: str) -> str:
        return url.removeprefix(f"s3://{self.bucket}/")


@pytest.fixture
def system(s3_account: S3Account, tmp_path: Path) -> SystemInAStore:
    return SystemInAStore(s3_account, tmp_path)


@contextmanager
def killed_at(number: int, when: When) -> Iterator[list[str]]:
    """The process ends before or after it makes so many requests; collects what the requests were for."""
    asked: list[str] = []
    asking = S3Store._asking

    @contextmanager
    def counted(self: S3Store, name: str) -> Iterator[None]:
        if len(asked) >= number + (when == "after"):
            raise Killed
        asked.append(name)
        if when == "before" and len(asked) == number:
            raise Killed
        with asking(self, name):
            yield
        if when == "after" and len(asked) == number:
            asked.append("ended")
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Store, "_asking", counted)
        yield asked


def test_objects_are_swapped_and_swapped_back(system: SystemInAStore) -> None:
    done = system.promote(system.fill(), system.journal())
    (swap,) = done.folders
    assert (system.word(), system.objects("media")) == ("new", NEW)
    assert system.objects(system.prefix(swap.previous)) == OLD
    assert system.keys("media.edms") == [], "nothing staged, no record"

    back = system.roll_back(system.journal())
    assert (system.word(), system.objects("media")) == ("old", OLD)
    assert system.objects(system.prefix(back.folders[0].previous)) == NEW
    assert system.keys(system.prefix(swap.previous)) == []

    system.roll_back(system.journal(), back.stamp)
    assert (system.word(), system.objects("media")) == ("new", NEW)
    assert system.objects("media2") == {"x.txt": b"not ours either"}
    assert system.keys("elsewhere") == ["elsewhere.txt"]


@pytest.mark.long  # of a whole restore, in files/test_headers_of_objects
def test_content_types_and_metadata_stay_with_the_objects(system: SystemInAStore) -> None:
    staged = system.fill()
    headers = {"ContentType": "application/pdf", "Metadata": {"scanner": "7"}}
    system.put("media/changed.txt", b"old", **headers)
    done = system.promote(staged, system.journal())
    kept = system.client.head_object(Bucket=system.bucket, Key=f"{system.prefix(done.folders[0].previous)}/changed.txt")
    system.roll_back(system.journal())
    again = system.client.head_object(Bucket=system.bucket, Key="media/changed.txt")
    for found in (kept, again):
        assert {name: found[name] for name in headers} == headers


@pytest.mark.timeout(3600)  # of each single request on a busy machine
@pytest.mark.parametrize(
    ("verb", "when", "every"),
    [
        *(
            pytest.param(verb, *point, marks=pytest.mark.long)
            for verb, *point in (
                ("promote", "after", 9),
                ("roll back", "after", 9),
                ("roll back", "after", 13),  # the last of these removes the record
                ("promote", "before", 1),
                ("promote", "after", 1),
                ("roll back", "before", 1),
                ("roll back", "after", 1),
            )
        ),
    ],
)
def test_killed_at_any_request_it_is_finished_or_forgotten_by_the_next_run(
    verb: str, when: When, every: int, system: SystemInAStore
) -> None:
    old, new = (OLD, NEW) if verb == "promote" else (NEW, OLD)
    seen = set()
    for number in itertools.count(1, every):
        staged = system.fill()
        journal = system.journal(f"{verb} {when} {number}")
        if verb == "roll back":
            system.promote(staged, journal)
        before = system.word()
        try:
            with killed_at(number, when):
                system.promote(staged, journal) if verb == "promote" else system.roll_back(journal)
        except Killed:
            pass
        else:
            break
        swapped = system.word() != before
        seen.add(swapped)
        if not swapped:
            assert system.objects("media") == old, f"{number}: nothing live was touched"
        everywhere = {data for key in system.keys("media") for data in [_get(system, key)]}
        assert {*old.values(), *new.values()} <= everywhere, f"{number}: every content is somewhere"

        is_finished = swapped and not system.keys("media.edms-promotion")  # only its end was not told
        another = (
            system.journal("another machine") if number % 2 and not is_finished else journal
        )  # it knows of it by the record in the store
        notes = promotion.recover(system.database, another, ())
        assert system.objects("media") == (new if swapped else old), number
        assert promotion.pending(system.database, another, ()) == ()
        assert system.keys("media.edms-promotion") == []
        if swapped:
            assert bool(notes) is not is_finished
            kept = json.loads(another.path.read_text())[-1]["folders"][0]["previous"]
            assert system.objects(system.prefix(kept)) == old
            assert len(system.keys("media.")) == len(old), f"{number}: only what was set aside is left"
        else:
            kept = [key for key in system.keys("media.") if ".edms-staging" not in key]
            assert len(kept) == (0 if verb == "promote" else len(new)), number
    assert seen == {True, False}, "the kills were on both sides of the swap of the database"


def _get(system: SystemInAStore, key: str) -> bytes:
    data: bytes = system.client.get_object(Bucket=system.bucket, Key=key)["Body"].read()
    return data


@pytest.mark.long
def test_what_somebody_writes_in_between_is_kept(system: SystemInAStore) -> None:
    staged, journal = system.fill(), system.journal()
    with pytest.raises(Killed), killed_when_live_is_touched():
        system.promote(staged, journal)
    assert system.word() == "new"
    system.put("media/changed.txt", b"written meanwhile")
    system.put("media/another.txt", b"new and written meanwhile")

    promotion.recover(system.database, journal, ())

    assert system.objects("media") == NEW
    (swap,) = journal.read()[-1].folders
    assert system.objects(system.prefix(swap.previous)) == OLD
    assert system.objects(system.prefix(f"{swap.previous}.later")) == {
        "changed.txt": b"written meanwhile",
        "another.txt": b"new and written meanwhile",
    }


def test_a_record_that_may_not_be_read_is_not_passed_over(
    system: SystemInAStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged, journal = system.fill(), system.journal()
    with pytest.raises(Killed), killed_when_live_is_touched():
        system.promote(staged, journal)
    (system.folder / "live.sqlite3.edms-promotion").unlink()  # of a database on a server there is none
    piece = S3Files.piece

    def refused(self: S3Files, key: str, *rest: Any) -> Any:
        if key.endswith(".edms-promotion"):
            raise RepositoryForbidden("The store refuses it.", where=key)
        return piece(self, key, *rest)

    monkeypatch.setattr(S3Files, "piece", refused)
    other = system.journal("another machine")

    with pytest.raises(TerminalError, match="record of an unfinished promotion cannot be read"):
        promotion.pending(system.database, other, ())
    assert system.word() == "new"

    system.client.delete_object(Bucket=system.bucket, Key="media.edms-promotion")
    assert promotion.pending(system.database, other, ()) == ()


@contextmanager
def killed_when_live_is_touched() -> Iterator[None]:
    def killed(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_swap, "_settle", killed)
        yield


def test_an_edms_that_writes_while_its_objects_are_set_aside_is_noticed(
    system: SystemInAStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged, journal = system.fill(), system.journal()
    copies = store_swap.on_threads

    def and_writes(*given: Any) -> Any:
        yield from copies(*given)
        system.put("media/new upload.txt", b"uploaded")

    monkeypatch.setattr(store_swap, "on_threads", and_writes)
    with pytest.raises(TargetChanged, match="written while"):
        system.promote(staged, journal)
    assert (system.word(), system.objects("media")) == ("old", {**OLD, "new upload.txt": b"uploaded"})
    assert journal.read() == []
    assert system.keys("media.previous") == system.keys("media.edms-promotion") == []


CHANGES = ({"changed.txt": None}, {"more.txt": b"x"})


@pytest.mark.parametrize(
    "change", [{"changed.txt": b"nEw"}, *(pytest.param(change, marks=pytest.mark.long) for change in CHANGES)]
)
def test_staged_objects_that_changed_after_the_validation_are_refused(
    change: Mapping[str, bytes | None], system: SystemInAStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = system.fill()
    set_aside = store_swap.set_aside

    def changed_first(*given: Any) -> Promotion:
        for key, data in change.items():
            at = f"{system.prefix(staged)}/{key}"
            if data is None:
                system.client.delete_object(Bucket=system.bucket, Key=at)
            else:
                system.put(at, data)
        return set_aside(*given)

    monkeypatch.setattr(store_swap, "set_aside", changed_first)
    with pytest.raises(TargetChanged, match="not those that were validated"):
        system.promote(staged, system.journal())
    assert (system.word(), system.objects("media")) == ("old", OLD)


@pytest.mark.long
def test_a_staged_object_that_is_lost_in_between_halts_and_removes_nothing(system: SystemInAStore) -> None:
    staged, journal = system.fill(), system.journal()
    with pytest.raises(Killed), killed_when_live_is_touched():
        system.promote(staged, journal)
    system.client.delete_object(Bucket=system.bucket, Key=f"{system.prefix(staged)}/same.txt")
    with pytest.raises(PromotionHalted, match="gone"):
        promotion.recover(system.database, journal, ())
    assert system.objects("media") == OLD
    system.put(f"{system.prefix(staged)}/same.txt", NEW["same.txt"])
    promotion.recover(system.database, journal, ())
    assert system.objects("media") == NEW


@pytest.mark.long
def test_a_rollback_to_objects_of_which_one_is_lost_is_refused(system: SystemInAStore) -> None:
    done = system.promote(system.fill(), system.journal())
    key = f"{system.prefix(done.folders[0].previous)}/changed.txt"
    system.client.delete_object(Bucket=system.bucket, Key=key)
    with pytest.raises(NothingToRollBack, match="some of them"):
        system.roll_back(system.journal())
    assert (system.word(), system.objects("media")) == ("new", NEW)


@pytest.mark.long  # of objects in one part, above
def test_objects_that_were_written_in_parts_are_compared_by_reading_them(system: SystemInAStore) -> None:
    staged = system.fill()
    for at, fill in (("media", b"o"), (system.prefix(staged), b"n")):
        place = system.stores.place(f"s3://{system.bucket}/{at}", system.live)
        place.write("large.bin", (fill * 2**20 for _ in range(17)), {"ContentType": "image/tiff"})
    done = system.promote(staged, system.journal())
    assert system.objects("media")["large.bin"] == b"n" * 17 * 2**20
    assert system.objects(system.prefix(done.folders[0].previous))["large.bin"] == b"o" * 17 * 2**20
    head = system.client.head_object(Bucket=system.bucket, Key="media/large.bin")
    assert head["ContentType"] == "image/tiff"


def test_what_is_forgotten_is_gone_and_nothing_else(system: SystemInAStore) -> None:
    from datetime import UTC, datetime, timedelta

    journal = system.journal()
    system.promote(system.fill(), journal)
    system.put("media.previous-notes/x", b"not ours")
    (found,) = promotion.find_set_aside(system.database, journal, datetime.now(UTC) + timedelta(days=1))
    assert found.folders == (journal.read()[-1].folders[0].previous,)
    assert promotion.forget_set_aside(system.database, journal, found, lambda: None) == ""
    assert system.keys("media.") == ["media.previous-notes/x"]
    assert system.objects("media") == NEW
