"""Two EDMSs in one repository: each has its own `latest`, tags and order, and the other's snapshots by their ids alone."""

from __future__ import annotations

import pytest

from edms_tasks.errors import UndeterminedSnapshot, UnknownSnapshot
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.lineage.snapshot_names import choose
from tests.lineage.conftest import Shelf, this_edms
from tests.repository.samples import identity_of


def test_each_edms_has_its_own_latest_snapshot(shelf: Shelf) -> None:
    ours, theirs, ours_again = shelf.add("ours", 1), shelf.add("theirs", 2), shelf.add("ours", 3)

    assert (shelf.latest("ours"), shelf.latest("theirs")) == (ours_again, theirs)
    assert shelf.history("ours").chain.order == (ours, ours_again)
    assert shelf.manifest(theirs).previous is None
    assert shelf.manifest(theirs).number == 1


def test_a_repository_of_another_edms_has_no_latest_snapshot_for_us(shelf: Shelf) -> None:
    theirs = shelf.add("theirs", 1)

    with pytest.raises(UndeterminedSnapshot) as refused:
        shelf.latest("ours")
    assert "host of theirs" in refused.value.why
    assert "host of ours" in refused.value.why
    assert theirs[:12] in refused.value.why
    assert "[edms] id" in refused.value.fix


def test_another_edms_snapshot_can_be_used_by_its_id_and_is_named_as_such(shelf: Shelf) -> None:
    shelf.add("ours", 1)
    theirs = shelf.add("theirs", 2)

    chosen = choose(shelf.repository, theirs[:10], this_edms("ours"))

    assert chosen.snapshot_id == theirs
    (note,) = chosen.notes
    assert "ANOTHER EDMS" in note
    assert "host of theirs" in note and "host of ours" in note


def test_each_edms_has_its_own_tags(shelf: Shelf) -> None:
    ours = shelf.add("ours", 1, tag="monday")
    shelf.add("theirs", 2, tag="monday")
    theirs = shelf.add("theirs", 3, tag="tuesday")

    assert choose(shelf.repository, "monday", this_edms("ours")).snapshot_id == ours
    with pytest.raises(UndeterminedSnapshot, match=theirs[:12]):
        choose(shelf.repository, "tuesday", this_edms("ours"))


def test_a_missing_snapshot_of_another_edms_does_not_stop_ours(shelf: Shelf) -> None:
    ours = shelf.add("ours", 1)
    shelf.remove(shelf.add("theirs", 2))

    assert shelf.latest("ours") == ours
    assert shelf.codes("ours") == []
    with pytest.raises(UndeterminedSnapshot):
        shelf.latest("theirs")


def test_snapshots_of_an_earlier_release_are_ours_if_everything_recorded_agrees(shelf: Shelf) -> None:
    foreign = shelf.old(1, module="other.settings")
    ours = shelf.old(2, foreign)  # earlier releases named the newest of whatever EDMS
    shelf.old(3, ours, module="other.settings")

    assert shelf.latest("ours") == ours
    new = shelf.add("ours", 4)
    assert shelf.manifest(new).previous == ours
    assert shelf.manifest(new).number == 2
    assert shelf.codes("ours") == []


def test_snapshots_of_an_earlier_release_that_two_edms_could_claim_belong_to_neither(shelf: Shelf) -> None:
    shelf.old(1)
    ours = shelf.add("ours", 2)
    shelf.add("theirs", 3)  # of the same settings module, engine, key and folders

    assert shelf.history("ours").chain.order == (ours,)


def test_without_asking_the_edms_the_only_edms_of_the_repository_is_used(shelf: Shelf) -> None:
    ours = shelf.add("ours", 1)

    chosen = choose(shelf.repository, "latest", KnownEdms(None))
    assert chosen.snapshot_id == ours
    assert any("host of ours" in note for note in chosen.notes)
    with pytest.raises(UndeterminedSnapshot):
        choose(shelf.repository, "latest", KnownEdms(None, project="/srv/elsewhere"))
    shelf.add("theirs", 2)
    with pytest.raises(UndeterminedSnapshot):
        choose(shelf.repository, "latest", KnownEdms(None))


def test_the_same_id_with_other_names_is_the_same_edms_and_the_change_is_reported(shelf: Shelf) -> None:
    made = shelf.add(identity_of("ours", host="the old machine"), 1)

    chosen = choose(shelf.repository, "latest", this_edms("ours"))
    assert chosen.snapshot_id == made
    assert any("the old machine" in note for note in chosen.notes)


def test_a_tag_of_an_earlier_release_that_is_also_the_beginning_of_an_id_is_refused(shelf: Shelf) -> None:
    first = shelf.add("ours", 1)
    shelf.add("ours", 2, tag=first[:8])

    with pytest.raises(UnknownSnapshot, match="2 snapshots match"):
        choose(shelf.repository, first[:8], this_edms("ours"))
    assert choose(shelf.repository, first, this_edms("ours")).snapshot_id == first
