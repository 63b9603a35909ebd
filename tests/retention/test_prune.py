"""A prune removes what no rule keeps and nothing else, and what it removed is known to be pruned and not taken for lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from edms_tasks.errors import CommandError, PruneRefused, RepositoryLocked
from edms_tasks.lineage.snapshot_history import history_of
from edms_tasks.pruning.mark_snapshots import give_tag, hold, release, take_tag
from edms_tasks.repository import Repository, store
from edms_tasks.repository.chain import Mark
from edms_tasks.repository.proved_snapshots import ProvedSnapshot, write_proved
from edms_tasks.repository.reader_leases import reading
from edms_tasks.repository.records import NamedSnapshot
from tests.lineage.conftest import this_edms
from tests.repository.samples import manifest_of
from tests.retention.library import NOON, NOW, Library, RefusingBackend


def _twice(library: Library, **wishes: object) -> tuple[str, ...]:
    """Prune, and where objects are only marked, once more."""
    removed = library.prune(**wishes).removed  # type: ignore[arg-type]
    library.prune(**wishes)  # type: ignore[arg-type]
    return removed


def test_what_goes_takes_its_own_objects_and_no_shared_one(library: Library) -> None:
    first = library.add(0, "shared", "of the first two")
    second = library.add(1, "shared", "of the first two")
    third = library.add(2, "shared", "of the third")

    plan = library.plan(last=1)
    assert [fate.id for fate in plan.fates if fate.goes] == [first, second]
    before = dict(library.repository.backend.names("objects"))
    assert _twice(library, last=1) == (first, second)

    assert library.there() == {third}
    assert len(before) - len(library.objects()) == 3  # two schemas, and what only the first two had
    library.require_whole()
    assert plan.frees == sum(size for name, size in before.items() if name not in library.objects())
    if not library.repository.is_encrypted:
        sizes = [len("only day 0 of ours None"), len("only day 1 of ours None") + len("of the first two")]
        assert [fate.frees for fate in plan.fates if fate.goes] == sizes


def test_a_pruned_snapshot_is_not_missing_and_the_next_backup_goes_on_counting(library: Library) -> None:
    made = [library.add(day) for day in range(5)]
    _twice(library, last=2)
    chain = history_of(library.repository, this_edms("ours")).chain
    assert (chain.order, chain.missing, chain.expected, chain.pruned) == (tuple(made[3:]), (), 2, 3)

    new = library.add(5)
    manifest = library.repository.read_manifest(new)
    assert (manifest.number, manifest.previous) == (6, made[4])
    assert library.codes() == []
    # The record of another working folder names one that was pruned since.
    history = history_of(library.repository, this_edms("ours"), Mark(made[0], 1))
    assert history.chain.missing == ()


def test_a_lost_snapshot_is_missed_among_pruned_ones(library: Library) -> None:
    made = [library.add(day) for day in range(6)]
    _twice(library, last=3)
    library.store.remove(library.store.path_of_snapshot(made[4]))

    history = history_of(library.repository, this_edms("ours"))
    assert [one.id for one in history.chain.missing] == [made[4]]
    assert (history.chain.expected, history.chain.pruned) == (3, 3)
    with pytest.raises(PruneRefused, match=made[4][:12]):
        library.prune(last=1)


@pytest.mark.parametrize("lost", ["the newest", "a held one"])
def test_a_forged_record_hides_no_loss_of_what_no_prune_removes(library: Library, lost: str) -> None:
    made = [library.add(day) for day in range(3)]
    gone = made[2] if lost == "the newest" else made[1]
    if lost == "a held one":
        hold(library.repository, library.workdir, gone, reason="case 7", by="Ann")
    library.store.remove(library.store.path_of_snapshot(gone))
    library.repository.records.write(
        "pruned", by="Mallory", snapshots=[NamedSnapshot(id=gone, edms="ours", created=NOW)]
    )
    assert [one.id for one in history_of(library.repository, this_edms("ours")).chain.missing if one.id] == [gone]


def test_a_lost_record_of_a_prune_hides_nothing(library: Library) -> None:
    made = [library.add(day) for day in range(3)]
    _twice(library, last=1)
    for name, _ in list(library.repository.backend.names("records")):
        library.repository.backend.remove(name)

    assert [one.id for one in history_of(library.repository, this_edms("ours")).chain.missing if one.id] == [made[1]]
    with pytest.raises(PruneRefused, match="missing"):
        library.prune(last=1)


def test_nothing_goes_without_a_rule(library: Library) -> None:
    library.add(0)
    library.add(1)
    with pytest.raises(CommandError, match="no rule"):
        library.prune()
    assert len(library.there()) == 2


def test_other_edms_stay_unless_asked_for_and_shared_objects_stay_with_them(library: Library) -> None:
    ours = [library.add(day, "shared") for day in range(2)]
    theirs = [library.add(day, "shared", "theirs", edms="theirs") for day in range(2)]
    _twice(library, last=1)
    assert library.there() == {ours[1], *theirs}
    library.require_whole()

    _twice(library, last=1, every_edms=True)
    assert library.there() == {ours[1], theirs[1]}
    library.require_whole()
    assert library.codes("theirs") == []


def test_an_unknown_edms_prunes_nothing_of_several(library: Library) -> None:
    library.add(0)
    library.add(0, edms="theirs")
    with pytest.raises(CommandError, match="not known which EDMS"):
        library.prune(None, last=1)


def test_what_is_held_tagged_or_proved_stays(library: Library) -> None:
    made = [library.add(day, tag="before-upgrade" if day == 1 else None) for day in range(6)]
    repository, workdir = library.repository, library.workdir
    hold(repository, workdir, made[0], reason="case 7", by="Ann")
    give_tag(repository, workdir, made[2], "audit 2026", by="Ben")
    proved = ProvedSnapshot(edms="ours", snapshot=made[3], created=NOON, number=4, at=NOW, host="h", how="restore")
    assert write_proved(repository, proved)

    fates = {fate.id: fate.keeps for fate in library.plan(last=1).fates}
    assert fates == {
        made[0]: ("held",),
        made[1]: ("tagged",),
        made[2]: ("tagged",),
        made[3]: ("proved",),
        made[4]: (),
        made[5]: ("newest", "last"),
    }
    _twice(library, last=1)
    assert library.there() == {*made[:4], made[5]}

    release(repository, workdir, made[0], reason="closed", by="Ann")
    take_tag(repository, workdir, made[1], "before-upgrade", by="Ben")
    take_tag(repository, workdir, made[2], "audit 2026", by="Ben")
    _twice(library, last=1)
    assert library.there() == {made[3], made[5]}
    library.require_whole()


def test_two_holds_are_two_and_a_release_ends_those_it_knows(library: Library) -> None:
    made = library.add(0)
    library.add(1)
    hold(library.repository, library.workdir, made, reason="case 7", by="Ann")
    both = hold(library.repository, library.workdir, made, reason="case 8", by="Ben")
    assert [(one.by, one.reason) for one in both.holds] == [("Ann", "case 7"), ("Ben", "case 8")]
    assert release(library.repository, library.workdir, made, reason="closed", by="Ann").holds == ()
    with pytest.raises(CommandError, match="not held"):
        release(library.repository, library.workdir, made, reason="closed", by="Ann")


def test_the_last_proof_of_an_older_snapshot_takes_no_protection_from_a_newer_one(library: Library) -> None:
    made = [library.add(day) for day in range(3)]
    for number in (1, 0):
        proved = ProvedSnapshot(
            edms="ours", snapshot=made[number], created=NOON, number=number + 1, at=NOW, host="h", how="restore"
        )
        assert write_proved(library.repository, proved) is (number == 1)
    _twice(library, last=1)
    assert library.there() == {made[1], made[2]}


def test_a_hold_that_was_damaged_or_removed_stops_every_prune(library: Library) -> None:
    first = library.add(0)
    library.add(1)
    hold(library.repository, library.workdir, first, reason="case 7", by="Ann")
    ((name, _),) = list(library.repository.backend.names("records"))
    data = library.repository.backend.read(name, 10_000)

    library.repository.backend.write(name, [data.replace(b"case 7", b"case 8")])
    with pytest.raises(PruneRefused, match="cannot be read"):
        library.prune(last=1)
    library.repository.backend.remove(name)  # the working folder remembers it
    with pytest.raises(PruneRefused, match="is missing"):
        library.prune(last=1)
    library.repository.backend.write(name, [data])
    _twice(library, last=1)
    assert first in library.there()


def test_nothing_is_pruned_while_a_manifest_is_damaged_until_it_is_given_up(library: Library) -> None:
    made = [library.add(day, "shared") for day in range(4)]
    path = library.store.path_of_snapshot(made[1])
    library.store.flip(path, 20)
    with pytest.raises(PruneRefused, match="is damaged"):
        library.prune(last=1)
    assert library.there() == {made[0], *made[2:]}

    _twice(library, last=2, remove=(made[1],))
    assert library.there() == set(made[2:])
    library.require_whole()
    assert history_of(library.repository, this_edms("ours")).chain.expected == 2


def test_a_missing_snapshot_can_be_given_up_but_not_the_newest(library: Library) -> None:
    made = [library.add(day) for day in range(4)]
    for number in (1, 3):
        library.store.remove(library.store.path_of_snapshot(made[number]))
    with pytest.raises(CommandError, match="newest"):
        library.prune(last=1, remove=(made[3],))
    fifth = library.add(5)
    _twice(library, last=2, remove=(made[1], made[3]))
    assert library.there() == {made[2], fifth}
    library.require_whole()


def test_a_snapshot_from_the_future_takes_no_place(library: Library) -> None:
    made = [library.add(day) for day in (0, 1, 4000, 2, 3)]
    plan = library.plan(daily=2, now=NOON + timedelta(days=3, hours=1))
    keeps = {fate.id: fate.keeps for fate in plan.fates}
    assert keeps[made[2]] == ("time in doubt",) and "future" in plan.notes[0]
    assert [name for name in made if not keeps[name]] == made[:2]


def test_a_clock_that_was_set_back_puts_two_in_doubt_and_the_rest_is_judged(library: Library) -> None:
    made = [library.add(day) for day in (0, 1, 20, 2, 3, 4)]  # the third with a clock that was wrong
    keeps = {fate.id: fate.keeps for fate in library.plan(daily=1).fates}
    assert [name for name in made if "time in doubt" in keeps[name]] == [made[2], made[3]]
    assert [name for name in made if not keeps[name]] == [made[0], made[1], made[4]]


def test_a_clock_set_back_by_seconds_changes_nothing(library: Library) -> None:
    first = library.add(1)
    second = library.add(1 - 2 / 86400)
    third = library.add(3)
    keeps = {fate.id: fate.keeps for fate in library.plan(daily=2).fates}
    assert keeps == {first: (), second: ("daily",), third: ("newest", "daily")}


def test_the_same_minute_twice(library: Library) -> None:
    made = [library.add(1) if not number else library.add(1, f"content {number}") for number in range(3)]
    assert [name for name in made if not {f.id: f.keeps for f in library.plan(daily=1).fates}[name]] == made[:2]


def test_a_snapshot_converted_from_an_old_backup_goes_only_by_name_and_takes_no_place(library: Library) -> None:
    old = [library.add(day, f"old {day}", converted=True) for day in (-400, -30, 9)]
    made = [library.add(day, "shared") for day in range(3)]
    for wishes in ({}, {"every_edms": True}):
        keeps = {fate.id: fate.keeps for fate in library.plan(last=1, keep_tags=(), **wishes).fates}
        assert [keeps[name] for name in old] == [("converted",)] * 3
        assert [name for name in made if not keeps[name]] == made[:2]
    with pytest.raises(CommandError, match="not one of this EDMS"):
        library.prune("others", last=1, remove=(old[0],))

    library.prune(last=1, remove=(old[0], old[2]))

    assert library.there() == {old[1], made[2]}
    library.require_whole()
    assert library.codes() == []


def test_an_incomplete_snapshot_takes_the_place_of_none(library: Library) -> None:
    good = library.add(0, "a")
    bad = library.add(0.1, "b")
    newest = library.add(3, "c")
    ref = next(iter(library.repository.read_manifest(bad).files[0].packs))
    library.repository.backend.remove(library.repository.stored_name(ref))

    plan = library.plan(daily=2)
    assert {fate.id: fate.keeps for fate in plan.fates} == {
        good: ("daily",),
        bad: ("incomplete",),
        newest: ("newest", "daily"),
    }
    assert bad[:12] in plan.notes[0]
    # What a verification found damaged counts as well.
    schema = library.repository.stored_name(library.repository.read_manifest(newest).native_schema.object)
    assert "incomplete" in {f.id: f.keeps for f in library.plan(daily=2, damaged={schema}).fates}[newest]


def test_both_ends_of_a_fork_are_the_newest(library: Library) -> None:
    first = library.add(0)
    second = library.add(1, previous=first)
    third = library.add(2, previous=first)
    hold(library.repository, library.workdir, first, reason="case 7", by="Ann")
    _twice(library, last=1)
    assert library.there() == {first, second, third}


def test_a_snapshot_that_is_being_read_stays(library: Library) -> None:
    first = library.add(0, "a")
    library.add(1)
    with reading(library.repository.backend, [first], "restore") as refused:
        assert refused == ""
        assert {fate.id: fate.keeps for fate in library.plan(last=1).fates}[first] == ("being read",)
        assert library.prune(last=1).removed == ()
    assert library.prune(last=1).removed == (first,)


def test_objects_stay_while_somebody_reads_a_snapshot_that_was_removed(library: Library) -> None:
    """The reader wrote its lease after the prune had looked, and read the manifest before it was removed."""
    first = library.add(0, "a")
    library.add(1)
    objects = library.objects()
    with reading(library.repository.backend, [first], "restore"):
        library.store.remove(library.store.path_of_snapshot(first))
        library.repository.records.write(
            "pruned",
            snapshots=[NamedSnapshot(id=first, edms="ours", created=NOON, number=1)],
        )
        assert "being read" in library.prune(last=1).swept.skipped
        assert library.objects() == objects
    library.prune(last=1)
    library.prune(last=1)
    assert len(library.objects()) == 1


def test_a_prune_waits_for_no_backup(library: Library) -> None:
    library.add(0)
    other = Repository.open(library.settings)
    with other.lock("backup"), pytest.raises(RepositoryLocked, match="backup"):
        library.prune(last=1)


@pytest.mark.parametrize("locked", [("objects/",), ("snapshots/",), ("objects/", "snapshots/"), ("objects/", "marks/")])
def test_what_the_store_refuses_to_remove_stays_and_is_said(
    library: Library, locked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [library.add(day, f"content {day}") for day in range(3)]
    opened = store.open_backend
    with monkeypatch.context() as patch:
        patch.setattr(store, "open_backend", lambda settings: RefusingBackend(opened(settings), locked))
        under_lock = Library(library.settings, library.workdir)
        under_lock.prune(last=1)
        result = under_lock.prune(last=1)
    assert result.notes
    if "snapshots/" in locked:
        assert result.refused == tuple(made[:2]) and library.there() == set(made)
        library.require_whole()
    else:
        assert result.swept.refused == 4
    _twice(library, last=1)
    assert library.there() == {made[2]}
    library.require_whole()


def test_elsewhere_an_object_is_marked_first_and_goes_a_grace_period_later(library: Library) -> None:
    if library.repository.local_folder is not None:
        pytest.skip("the kernel keeps the lock of a local folder")
    library.add(0, "a")
    library.add(1)
    objects = library.objects()
    day = timedelta(days=1)
    first = library.prune(last=1, grace=day)
    assert (first.swept.objects, first.swept.marked) == (0, 2)
    assert library.prune(last=1, grace=day).swept.objects == 0, "a second prune does not shorten the grace period"
    assert library.objects() == objects
    # A backup uses what is marked again.
    third = library.add(2, "a")
    assert library.prune(last=2, grace=timedelta(0)).swept.objects == 1
    assert third in library.there()
    library.require_whole()
    assert not list(library.repository.backend.names("marks"))


def test_an_empty_repository_is_pruned_without_a_word(library: Library) -> None:
    done = library.prune(last=1)
    assert (done.plan.fates, done.removed, done.notes) == ((), (), ())


def test_snapshots_of_early_releases_are_pruned_as_one_edms(local: Library) -> None:
    """They have neither identity nor number."""
    schema = local.repository.put_bytes(b"schema")
    made: list[str] = []
    for day in range(4):
        made.append(local.repository.write_snapshot(manifest_of(schema, day=day, previous=made[-1] if made else None)))
    assert local.prune(None, last=2).removed == tuple(made[:2])
    assert local.there() == set(made[2:])
    assert local.repository.survey().missing == ()
    new = local.add(10)
    history = history_of(local.repository, this_edms("ours"))
    assert (history.chain.missing, history.chain.order) == ((), (*made[2:], new))
    assert local.prune(last=1).removed == tuple(made[2:]), "they are of this EDMS, by what is recorded of it"
    assert local.codes() == []
    assert local.repository.read_manifest(local.add(11)).previous == new
