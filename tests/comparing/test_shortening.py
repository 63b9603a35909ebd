"""Long values are cut to where they begin to differ."""

from __future__ import annotations

from edms_tasks.comparing.shortening import LONGEST, shortened


def test_short_values_are_shown_whole() -> None:
    assert shortened("a", "b") == ("a", "b")
    assert shortened(None, "") == (None, "")
    assert shortened("(not shown)", "(not shown)") == ("(not shown)", "(not shown)")
    assert shortened("x" * LONGEST, None) == ("x" * LONGEST, None)


def test_long_values_begin_a_little_before_they_differ() -> None:
    alike = "alike " * 40
    before, after = shortened(f"{alike}old {alike}", f"{alike}new {alike}")
    assert before is not None and after is not None
    assert max(len(before), len(after)) <= LONGEST
    assert before.startswith("…") and "old alike" in before
    assert after.startswith("…") and "new alike" in after


def test_a_difference_beyond_the_part_that_was_read_is_noted() -> None:
    before, after = shortened("x" * 2000, "x" * 2000)
    assert before is not None and len(before) <= LONGEST
    assert after == f"{before} (differs further on)"
