"""The rules keep what restic's and borg's documentation says, compared with a second reading of it that shares no code."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from edms_tasks.repository.retention_rules import Rules, kept

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")
_PERIODS = {"daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m", "yearly": "%Y", "hourly": "%Y-%m-%d %H %z"}

moments = st.one_of(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    # around changes of clocks, years and leap days; many at the same minute
    st.sampled_from(
        [datetime(2026, 10, 25), datetime(2026, 3, 29), datetime(2024, 2, 29), datetime(2025, 12, 31)]
    ).flatmap(lambda day: st.integers(0, 60).map(lambda half: day + timedelta(minutes=30 * half))),
).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC))


def _by_the_book(snapshots: list[tuple[str, datetime]], rules: Rules) -> set[str]:
    """What is kept, said as the documentation says it: group by the period's name, take the last of each of the last n groups."""
    ranked = sorted(enumerate(snapshots), key=lambda one: (one[1][1], one[0]))
    names = [name for _, (name, _) in ranked]
    keep = set(names[max(0, len(names) - rules.last) :]) if rules.last else set()
    for rule, pattern in _PERIODS.items():
        number = getattr(rules, rule)
        groups: dict[str, list[str]] = defaultdict(list)
        for _, (name, created) in ranked:
            groups[created.astimezone(rules.zone).strftime(pattern)].append(name)
        # A group is as recent as its last snapshot, in order of time.
        recent = sorted(groups.values(), key=lambda group: names.index(group[-1]))
        keep |= {group[-1] for group in recent[max(0, len(recent) - number) :]} if number else set()
        if number > len(recent) and names:
            keep.add(names[0])
    if rules.within and snapshots:
        newest = max(created for _, created in snapshots)
        days = int(rules.within.removesuffix("d"))
        keep |= {name for name, created in snapshots if created >= newest - timedelta(days=days)}
    return keep


@given(
    times=st.lists(moments, max_size=25),
    numbers=st.fixed_dictionaries(
        {name: st.integers(0, 6) for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly")}
    ),
    within=st.sampled_from(["", "1d", "30d", "400d"]),
    zone=st.sampled_from(ZONES),
)
@example(times=[datetime(2026, 1, 1, tzinfo=UTC)] * 3, numbers={"last": 4}, within="", zone="UTC")
@example(times=[datetime(2026, 1, 1, tzinfo=UTC)] * 3, numbers={"daily": 2}, within="", zone="UTC")
def test_what_is_kept_is_what_the_documentation_says(
    times: list[datetime], numbers: dict[str, int], within: str, zone: str
) -> None:
    snapshots = [(f"{number:04d}", moment) for number, moment in enumerate(times)]
    rules = Rules(**numbers, within=within, zone=ZoneInfo(zone))
    assert set(kept(snapshots, rules)) == _by_the_book(snapshots, rules)


@given(times=st.lists(moments, min_size=1, max_size=25), number=st.integers(1, 5))
def test_the_newest_is_kept_by_every_rule(times: list[datetime], number: int) -> None:
    snapshots = [(f"{position:04d}", moment) for position, moment in enumerate(times)]
    newest = max(enumerate(snapshots), key=lambda one: (one[1][1], one[0]))[1][0]
    for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly"):
        assert newest in kept(snapshots, Rules(**{rule: number}))  # type: ignore[arg-type]


def _days(*texts: str) -> list[tuple[str, datetime]]:
    return [(text, datetime.fromisoformat(text).replace(tzinfo=UTC)) for text in texts]


def test_the_last_of_a_day_counts_and_the_day_is_that_of_the_zone() -> None:
    three = _days("2026-06-01T20:00", "2026-06-01T21:30", "2026-06-01T22:30")
    assert list(kept(three, Rules(daily=1))) == ["2026-06-01T22:30"]
    # In Berlin the last one is of the next day already.
    berlin = kept(three, Rules(daily=2, zone=ZoneInfo("Europe/Berlin")))
    assert set(berlin) == {"2026-06-01T21:30", "2026-06-01T22:30"}


def test_days_without_snapshots_do_not_count() -> None:
    snapshots = _days("2026-01-01", "2026-02-01", "2026-05-01", "2026-05-02")
    assert set(kept(snapshots, Rules(daily=3))) == {"2026-02-01", "2026-05-01", "2026-05-02"}


def test_the_oldest_stands_for_the_periods_that_do_not_exist_yet() -> None:
    snapshots = _days("2026-01-10", "2026-01-20", "2026-03-01")
    assert kept(snapshots, Rules(yearly=3)) == {"2026-03-01": ("yearly",), "2026-01-10": ("yearly",)}


def test_the_repeated_hour_of_a_change_of_clocks_is_two_hours() -> None:
    night = _days("2026-10-25T00:30", "2026-10-25T01:30")  # both 02:30 in Berlin
    assert set(kept(night, Rules(hourly=2, zone=ZoneInfo("Europe/Berlin")))) == {"2026-10-25T00:30", "2026-10-25T01:30"}
    assert set(kept(night, Rules(daily=1, zone=ZoneInfo("Europe/Berlin")))) == {"2026-10-25T01:30"}


def test_within_counts_from_the_newest_so_that_nothing_goes_when_backups_have_stopped() -> None:
    snapshots = _days("2020-01-01", "2020-01-20")
    assert set(kept(snapshots, Rules(within="30d"))) == {"2020-01-01", "2020-01-20"}


def test_a_duration_longer_than_time_keeps_everything() -> None:
    assert set(kept(_days("2026-01-01", "2026-01-02"), Rules(within="99999y"))) == {"2026-01-01", "2026-01-02"}
    assert set(kept(_days("2026-01-01", "2026-01-02"), Rules(within="99999w"))) == {"2026-01-01", "2026-01-02"}


def test_no_rule_says_nothing() -> None:
    assert Rules().empty and not kept(_days("2026-01-01"), Rules())
    assert not Rules(within="1d").empty and not Rules(last=1).empty and not Rules(yearly=1).empty
