"""Traits of systems that nobody here has seen: their rows come back, merge into a system with other ids, or are refused in the plan.

What the rows say is asked of Django in the system's own process, by names instead of ids.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edms_tasks.errors import MergeRefused
from edms_tasks.settings import Settings
from tests.reference_system import Engine, LazyPostgres
from tests.running import run_backup, run_merge, run_restore
from tests.zoo.meetings import Meeting, together, traits_of

pytestmark = pytest.mark.slow

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
REFUSED = {
    "traits.caseless_names": ("unique", "meeting.Town"),
    "traits.codes_that_find_rows": ("reference-by-value", "meeting.Trip"),
    "traits.codes_that_move": ("reference-by-value", "meeting.Errand"),
    "traits.partial_uniques": ("unique", "meeting.Record"),
    "traits.singletons": ("singleton", "meeting.Preferences"),
    "traits.unique_expressions": ("unique", "meeting.Village"),
    "of_postgresql.partitions": ("id-differs", "meeting_event_1"),
    "of_postgresql.postgresql_types": ("unique", "meeting.Thing"),
}
"""Trait -> the conflict of the plan: both systems have rows that cannot both be there, or cannot be told apart."""
REFUSED_BY_THE_DATABASE = {
    ("postgresql", "traits.caseless_names"): "meeting_town_name_key",
    ("postgresql", "of_postgresql.exclusion"): "no_overlap",
}
"""What only the server can compare: the plan says that it has not, and the server refuses the rows."""


def _merged(engine: str) -> list[str]:
    by_database = {trait for one, trait in REFUSED_BY_THE_DATABASE if one == engine}
    return [trait for trait in traits_of(engine) if trait not in REFUSED and trait not in by_database]


@pytest.fixture
def meeting(tmp_path: Path, _lazy_postgres: LazyPostgres) -> Iterator[Callable[..., Meeting]]:
    """`meeting(engine, *traits)`: a place for two systems with these traits."""
    name = f"meeting_{secrets.token_hex(3)}"

    def make(engine: Engine, *traits: str) -> Meeting:
        return Meeting(traits, tmp_path, _lazy_postgres.server if engine == "postgresql" else None, name)

    yield make
    if _lazy_postgres.started:
        _lazy_postgres.server.drop_databases(name)


def backed_up_and_reinitialised(place: Meeting) -> tuple[Settings, str, object]:
    """The settings, a snapshot of my system, and what the other one says, which is there now."""
    settings = place.make("mine")
    snapshot = run_backup(settings).snapshot_id
    place.make("theirs")
    return settings, snapshot, place.said()


@pytest.mark.long  # those of test_merges, all at once
@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_every_trait_are_merged_under_other_ids_and_restored(
    engine: Engine, meeting: Callable[..., Meeting]
) -> None:
    place = meeting(engine, *_merged(engine))
    settings = place.make("mine")
    mine, snapshot = place.said(), run_backup(settings).snapshot_id
    place.make("theirs")
    theirs = place.said()

    result = run_merge(settings, snapshot=snapshot)

    assert result.plan.conflicts == ()
    assert result.done
    assert place.said() == together(mine, theirs)
    assert run_merge(settings, snapshot=snapshot, dry_run=True).plan.writes == 0

    restored = run_restore(settings, snapshot=snapshot)

    assert restored.success, restored.failures
    assert place.said() == mine


def _refused(engine: str) -> list[str]:
    return [one for one in REFUSED if one in traits_of(engine) and (engine, one) not in REFUSED_BY_THE_DATABASE]


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "traits"),
    [
        *(
            pytest.param(engine, _refused(engine), id=engine, marks=[pytest.mark.long] if engine == "sqlite" else [])
            for engine in ENGINES
        ),
        *(
            pytest.param(engine, [trait], id=f"{engine}-{trait}", marks=pytest.mark.long)
            for engine in ENGINES
            for trait in _refused(engine)
        ),
    ],
)
def test_what_cannot_be_merged_is_a_conflict_of_the_plan(
    engine: Engine, traits: list[str], meeting: Callable[..., Meeting]
) -> None:
    place = meeting(engine, *traits)
    settings, snapshot, theirs = backed_up_and_reinitialised(place)

    result = run_merge(settings, snapshot=snapshot)

    assert {REFUSED[trait] for trait in traits} <= {(one.code, one.model) for one in result.plan.conflicts}
    assert not result.done
    assert place.said() == theirs


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "trait"),
    [
        pytest.param(*case, marks=[] if case[1].endswith("exclusion") else [pytest.mark.long])
        for case in REFUSED_BY_THE_DATABASE
    ],
)
def test_what_only_the_database_can_compare_is_said_in_the_plan_and_refused_by_it(
    engine: Engine, trait: str, meeting: Callable[..., Meeting]
) -> None:
    place, name = meeting(engine, trait), REFUSED_BY_THE_DATABASE[engine, trait]
    settings, snapshot, theirs = backed_up_and_reinitialised(place)

    plan = run_merge(settings, snapshot=snapshot, dry_run=True).plan
    with pytest.raises(MergeRefused, match=name):
        run_merge(settings, snapshot=snapshot)

    assert [note for note in plan.notes if f"unique index {name} shows only when they are written" in note]
    assert place.said() == theirs
