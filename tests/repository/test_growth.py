"""Growth and its forecast, held against numpy's fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edms_tasks.repository.growth import growth_of

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(0, 10**12), min_size=4, max_size=80))
def test_the_slope_is_that_of_a_least_squares_fit(sizes: list[int]) -> None:
    points = [(START + timedelta(days=day), size) for day, size in enumerate(sizes)]

    growth = growth_of(points, None)

    assert growth is not None
    fitted = np.polyfit(np.arange(len(sizes)), np.array(sizes, dtype=float), 1)[0]
    assert growth.bytes_a_day == pytest.approx(fitted, rel=1e-6, abs=1.0)


def test_what_is_expected_goes_on_from_what_is_there() -> None:
    growth = growth_of([(START + timedelta(days=day), 1000 + 10 * day) for day in range(11)], 500)

    assert growth is not None
    assert growth.in_days == {30: 1400, 90: 2000, 365: 4750}
    assert growth.full == START + timedelta(days=10 + 50)


def test_only_the_last_90_days_count() -> None:
    old = [(START + timedelta(days=day), 10**9 * day) for day in range(10)]
    steady = [(START + timedelta(days=200 + day), 9 * 10**9 + day) for day in range(10)]

    growth = growth_of(old + steady, 10**12)

    assert growth is not None
    assert growth.bytes_a_day == pytest.approx(1)
    assert growth.full is None  # not within ten years


@pytest.mark.parametrize("hours", [[], [0], [0, 48], [0, 1, 2], [0, 20, 40]])
def test_too_little_says_nothing(hours: list[int]) -> None:
    assert growth_of([(START + timedelta(hours=hour), hour) for hour in hours], None) is None


def test_what_shrinks_is_never_full_or_below_nothing() -> None:
    growth = growth_of([(START + timedelta(days=day), 1000 - 100 * day) for day in range(9)], 10)

    assert growth is not None
    assert growth.full is None
    assert growth.in_days == {30: 0, 90: 0, 365: 0}
