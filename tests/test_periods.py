"""One parser of durations, and one way to say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from edms_tasks.approval_settings import ApprovalSettings
from edms_tasks.drill_settings import DrillSettings
from edms_tasks.periods import earlier, in_words, period_of
from edms_tasks.repository_settings import StatusSettings
from edms_tasks.retention_settings import RetentionSettings


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("36h", "2024-03-29T12:00"),
        ("2w", "2024-03-17"),
        ("1m", "2024-02-29"),
        ("1y1m", "2023-02-28"),
        ("12m", "2023-03-31"),
    ],
)
def test_durations_go_back_by_the_calendar(duration: str, expected: str) -> None:
    start = datetime(2024, 3, 31, tzinfo=UTC)
    assert earlier(start, duration) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "3 d", "1.5d", "30days", "٣d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        earlier(datetime(2024, 3, 31, tzinfo=UTC), text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min"),
        (12, "12 s"),
        (-3.0, "0.0 s"),
        (timedelta(hours=47, minutes=59), "1 day 23 h"),
        (65, "1 min 5 s"),
        (3600, "1 h"),
        (93_600, "1 day 2 h"),
        (200_000, "2 days 7 h"),
    ],
)
def test_durations_for_people(seconds: float | timedelta, text: str) -> None:
    assert in_words(seconds) == text


def test_every_setting_takes_the_same_durations() -> None:
    text = "1w2d3h45min6s"
    assert period_of(text) == timedelta(weeks=1, days=2, hours=3, minutes=45, seconds=6)

    assert RetentionSettings(keep_within=text, grace=text).grace == text
    assert StatusSettings(max_age=text, max_proof_age=text).max_age == text
    assert ApprovalSettings(expires=text).expires == text
    assert DrillSettings(rto=text, rpo=text).rto == text


def test_four_minutes_are_not_taken_for_four_months() -> None:
    with pytest.raises(ValidationError):
        DrillSettings(rto="4m")
    with pytest.raises(ValidationError):
        ApprovalSettings(expires="30m")
