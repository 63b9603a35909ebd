"""The order of snapshots is that of their making, whatever clocks say; what is missing or in doubt is told."""

from __future__ import annotations

import random

import pytest

from edms_tasks.errors import DamagedRepository, UndeterminedSnapshot
from edms_tasks.lineage.snapshot_names import choose
from edms_tasks.repository.chain import Mark
from tests.lineage.conftest import Shelf, this_edms


def test_latest_is_the_last_snapshot_even_if_the_clock_was_set_back(shelf: Shelf) -> None:
    first, second, third = shelf.add("ours", 10), shelf.add("ours", 5), shelf.add("ours", 6)

    chosen = choose(shelf.repository, "latest", this_edms("ours"))

    assert shelf.history("ours").chain.order == (first, second, third)
    assert chosen.snapshot_id == third
    assert any(first[:12] in note and "clock" in note for note in chosen.notes)
    assert shelf.codes("ours") == ["clock-set-back"]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_snapshots_does_not_depend_on_the_clock(shelf: Shelf, seed: int) -> None:
    days = random.Random(seed).choices(range(5), k=6)  # equal times too
    made = [shelf.add("ours", day) for day in days]

    assert shelf.history("ours").chain.order == tuple(made)
    assert shelf.latest("ours") == made[-1]


def test_snapshots_of_an_earlier_release_are_ordered_though_the_clock_was_set_back(shelf: Shelf) -> None:
    first = shelf.old(10)
    second = shelf.old(5, first)

    assert shelf.latest("ours") == second


def test_snapshots_of_an_earlier_release_with_the_same_predecessor_are_not_ordered_by_guess(shelf: Shelf) -> None:
    first = shelf.old(10)
    branches = [shelf.old(5, first), shelf.old(6, first)]  # the release before named the newest by time

    with pytest.raises(UndeterminedSnapshot) as refused:
        shelf.latest("ours")
    assert all(one[:12] in refused.value.why for one in branches)
    assert "snapshots-forked" in shelf.codes("ours")

    settled = shelf.add("ours", 7)
    assert shelf.manifest(settled).aside
    assert shelf.latest("ours") == settled


def test_a_removed_newest_snapshot_is_noticed(shelf: Shelf) -> None:
    first, second = shelf.add("ours", 1), shelf.add("ours", 2)
    shelf.remove(second)

    assert shelf.codes("ours") == ["snapshot-missing"]
    with pytest.raises(UndeterminedSnapshot, match=second[:12]) as refused:
        shelf.latest("ours")
    assert first[:12] in refused.value.fix

    third = shelf.add("ours", 3)
    assert shelf.manifest(third).previous == second
    assert shelf.latest("ours") == third
    assert "snapshot-missing" in shelf.codes("ours"), "a loss is not forgotten because a backup followed"


def test_removing_all_snapshots_is_noticed(shelf: Shelf) -> None:
    for one in [shelf.add("ours", 1), shelf.add("ours", 2)]:
        shelf.remove(one)

    with pytest.raises(UndeterminedSnapshot, match="missing"):
        shelf.latest("ours")
    assert "snapshot-missing" in shelf.codes("ours")


@pytest.mark.parametrize("gone", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_removing_older_snapshots_is_allowed(shelf: Shelf, gone: tuple[int, ...]) -> None:
    made = [shelf.add("ours", day) for day in (1, 2, 3, 4)]
    for number in gone:
        shelf.remove(made[number])

    chain = shelf.history("ours").chain
    assert (len(chain.order), chain.expected) == (4 - len(gone), 4)
    assert sum(one.count for one in chain.missing) == len(gone)
    assert shelf.latest("ours") == made[-1]


@pytest.mark.parametrize("mutated", ["{0}.jsn", "{0}", "x{0}.json", "{1}.json", "{0}.json.bak", "{2}.json"])
def test_a_renamed_newest_snapshot_is_noticed(shelf: Shelf, mutated: str) -> None:
    shelf.add("ours", 1)
    second = shelf.add("ours", 2)
    shelf.rename(second, mutated.format(second, second[:-1], ("0" if second[0] != "0" else "1") + second[1:]))

    assert "snapshot-misnamed" in shelf.codes("ours")
    with pytest.raises((UndeterminedSnapshot, DamagedRepository)):
        shelf.latest("ours")
    assert any(second in one.fix for one in shelf.history("ours").findings())


def test_an_unknown_file_among_the_snapshots_is_named_and_stops_nothing(shelf: Shelf) -> None:
    only = shelf.add("ours", 1)
    (shelf.folder / "snapshots" / "Thumbs.db").write_bytes(b"\0")

    assert shelf.codes("ours") == ["stranger-among-snapshots"]
    assert shelf.latest("ours") == only


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_run_killed_before_the_head_record_looks_like_what_it_is(shelf: Shelf, number: int) -> None:
    for day in range(number - 1):
        shelf.add("ours", day)
    last = shelf.add("ours", 9, crash=True)

    assert shelf.codes("ours") == ["head-behind" if number > 1 else "head-record-missing"]
    assert shelf.latest("ours") == last
    after = shelf.add("ours", 10)
    assert shelf.manifest(after).previous == last
    assert shelf.codes("ours") == []


def test_a_removed_snapshot_is_noticed_by_the_working_folder_without_the_head_record(shelf: Shelf) -> None:
    shelf.add("ours", 1)
    second = shelf.add("ours", 2)
    shelf.remove(second)
    for head in (shelf.folder / "heads").iterdir():
        head.unlink()

    with pytest.raises(UndeterminedSnapshot, match=second[:12]):
        shelf.latest("ours", Mark(second, 2))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"edms": 1, "snapshot": "x", "number": 0}', b"\xff\xfe"]
)
def test_a_damaged_head_record_is_reported_and_written_again(shelf: Shelf, content: bytes) -> None:
    only = shelf.add("ours", 1)
    (record,) = (shelf.folder / "heads").iterdir()
    record.write_bytes(content)

    assert "head-record-damaged" in shelf.codes("ours")
    assert shelf.latest("ours") == only
    shelf.add("ours", 2)
    assert shelf.codes("ours") == []


def test_two_copies_that_were_both_written_to_are_a_fork(shelf: Shelf) -> None:
    first = shelf.add("ours", 1)
    one = shelf.add("ours", 2)
    saved = (shelf.folder / "snapshots" / f"{one}.json").read_bytes()
    shelf.remove(one)
    shelf.repository.write_head("ours", first, 1)
    other = shelf.add("ours", 3)
    (shelf.folder / "snapshots" / f"{one}.json").write_bytes(saved)

    with pytest.raises(UndeterminedSnapshot) as refused:
        shelf.latest("ours")
    assert one[:12] in refused.value.why and other[:12] in refused.value.why
