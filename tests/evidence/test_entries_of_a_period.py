"""What entries of the log say: whose a run was, what it touched, who approved it, and on which days nothing was proved."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from edms_tasks.repository.audit_log import LogEntry
from flows.auditing.period import Period, gaps, period_from
from flows.auditing.runs import approvers_of, what_it_touched, whose_run


def entry_at(at: str, event: str, outcome: str = "success", number: int = 1, **facts: object) -> LogEntry:
    said = {"repository": "r", "number": number, "before": "0" * 64, "user": "u", "machine": "m", "version": "1"}
    return LogEntry.model_validate({**said, "at": at, "event": event, "outcome": outcome, "facts": facts})


def test_a_bundle_begins_with_the_entry_before_the_period_so_that_nothing_can_be_cut_off() -> None:
    period = Period(date(2026, 3, 1), date(2026, 3, 31), ZoneInfo("Europe/Berlin"))
    entries = [
        entry_at("2026-02-27T10:00:00Z", "backup", number=4),
        entry_at("2026-02-28T22:59:59Z", "backup", number=5),
        entry_at("2026-02-28T23:00:00Z", "backup", number=6),  # midnight in Berlin
        entry_at("2026-02-20T10:00:00Z", "backup", number=7),  # the clock was wrong
    ]
    assert period.last_before(entries) == 5
    assert period.last_before(entries[2:]) == 1
    assert period.last_before(entries[:2]) == 5
    assert period.last_before([]) == 1
    assert period.bounds.splitlines()[1:] == ["from 2026-02-28T23:00:00Z", "until 2026-03-31T22:00:00Z"]


def test_days_are_those_of_the_time_zone_and_failures_prove_nothing() -> None:
    period = Period(date(2026, 3, 1), date(2026, 3, 5), ZoneInfo("Europe/Berlin"))
    runs = [
        entry_at("2026-03-01T23:30:00Z", "backup", verified=True),  # the 2nd in Berlin
        entry_at("2026-03-03T10:00:00Z", "backup", "failed", verified=True),
        entry_at("2026-03-04T10:00:00Z", "backup", verified=False),
        entry_at("2026-03-05T10:00:00Z", "drill", verdict="proved"),
        entry_at("2026-03-03T10:00:00Z", "drill", "failed", verdict="proved"),
    ]
    found = gaps(period, runs)
    assert found.unverified == ("2026-03-01", "2026-03-03 to 2026-03-05 (3 days)")
    assert found.unproved == ("2026-03-01 to 2026-03-04 (4 days)",)


def test_a_run_is_of_the_edms_whose_snapshot_it_is_about_whichever_settings_started_it() -> None:
    made = entry_at("2026-03-01T10:00:00Z", "backup").model_copy(update={"edms": "plant", "snapshot": "a" * 64})
    pruned = entry_at("2026-03-01T11:00:00Z", "backup").model_copy(update={"edms": "office", "snapshot": "b" * 64})
    drill = entry_at("2026-03-02T10:00:00Z", "drill")
    key = entry_at("2026-03-02T10:00:00Z", "key-add")
    whose = whose_run([made, pruned], {"a" * 64: "plant", "c" * 64: "archive"})

    assert whose(drill.model_copy(update={"edms": "office", "snapshot": "a" * 64})) == "plant"
    assert whose(drill.model_copy(update={"edms": None, "snapshot": "b" * 64})) == "office"
    assert whose(drill.model_copy(update={"edms": None, "snapshot": "c" * 64})) == "archive"
    assert whose(drill.model_copy(update={"edms": "office"})) == "office"
    assert whose(key) is None


def test_an_entry_tells_whether_the_live_system_was_changed() -> None:
    at = "2026-03-01T10:00:00Z"
    assert what_it_touched(entry_at(at, "restore", promoted=True)) == "live"
    assert what_it_touched(entry_at(at, "restore", "failed", promoted=True)) == "live"  # its evidence was not written
    assert what_it_touched(entry_at(at, "restore", promoted=False)) == "copy"
    assert what_it_touched(entry_at(at, "restore", "failed")) == ""
    assert what_it_touched(entry_at(at, "merge")) == what_it_touched(entry_at(at, "rollback")) == "live"
    assert what_it_touched(entry_at(at, "drill", promoted=False)) == what_it_touched(entry_at(at, "backup")) == ""


def test_a_typed_name_does_not_look_like_one_that_a_code_confirmed() -> None:
    people = [
        {"by": "anna", "checked": True},
        {"by": "ben (confirmed by a code)", "checked": False},
        {"by": "eve", "checked": "yes"},
    ]
    assert approvers_of(entry_at("2026-03-01T10:00:00Z", "restore", approved_by=people)) == [
        "anna (confirmed by a code)",
        "ben (confirmed by a code) (as typed, not checked)",
        "eve (as typed, not checked)",
    ]
    assert approvers_of(entry_at("2026-03-01T10:00:00Z", "restore", approved_by="anna")) == []


def test_days_to_come_are_no_gaps() -> None:
    today = date(2026, 3, 10)
    period = period_from("2026-03-01", "2026-03-31", "UTC", today)
    assert period.days[-1] == today
    assert period.days[0] == today - timedelta(days=9)
