"""Progress says how many of how many, how fast and how long still, and never goes backwards."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flows.running import threads
from flows.running.progress_estimate import Pace, Told
from flows.running.threads import ThreadRunner


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_says_how_many_how_fast_and_how_long_still() -> None:
    clock = Clock()
    pace = Pace("files", 100, clock=clock)
    assert str(pace) == "0 of 100 files"
    pace.advance(20)
    assert pace.brief == "20 of 100 files"
    clock.now = 10.0
    assert pace.brief == "2.0 files/s, 40 s left"
    assert str(pace) == "20 of 100 files, 2.0 files/s, 40 s left"

    pace = Pace("files", clock=clock)
    pace.advance(1_500, 5_000_000)
    clock.now = 20.0
    assert pace.fraction is None
    assert str(pace) == "1,500 files, 150 files/s, 500 kB/s"


def test_bytes_count_beside_files_and_what_was_known_before_says_nothing_of_the_pace() -> None:
    clock = Clock()
    pace = Pace("files", clock=clock)
    clock.now = 1_000.0  # listing
    pace.expect(10, 10_000_000_000)
    pace.advance(9, 1_000)
    assert pace.fraction is not None and pace.fraction < 0.01
    pace.advance(0, 5_000_000_000)
    clock.now = 1_050.0
    assert str(pace) == "9 of 10 files, 0.2 files/s, 100 MB/s, 50 s left"


@given(
    st.lists(
        st.tuples(
            st.integers(-5, 50),
            st.integers(-5, 10**6),
            st.none() | st.tuples(st.integers(0, 99), st.integers(0, 10**7)),
        )
    )
)
def test_it_never_goes_backwards_whatever_it_is_told(steps: list[tuple[int, int, tuple[int, int] | None]]) -> None:
    pace, last, done = Pace("files", 50, 10**6), 0.0, 0
    for count, size, expected in steps:
        pace.advance(count, size)
        if expected:
            pace.expect(*expected)
        now = pace.fraction
        shown = int(re.match(r"[\d,]+", str(pace)).group().replace(",", ""))  # type: ignore[union-attr]
        if now is not None:
            assert last <= now <= 1.0
            last = now
        elif not expected:
            assert shown >= done
        done = shown


def test_no_older_number_follows_a_newer_one() -> None:
    seen: list[int] = []
    pace = Pace("files", 4_000)
    told = Told(pace, lambda pace: seen.append(round(4_000 * (pace.fraction or 0))), every=0.0)

    def work() -> None:
        for _ in range(1_000):
            told(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert seen == sorted(seen) and seen
    assert pace.fraction == 1.0


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "_SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(threads, "_SECONDS_BETWEEN_BARS", 0.0)
    yield


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_and_bars_show_it(terminal: bool, eager: None) -> None:
    written = io.StringIO()
    runner = ThreadRunner(Console(file=written, force_terminal=terminal, width=150))
    with runner.progress("files of media", 0) as progress:
        progress(2, 100)
        progress.expect(4)
        progress(1)
        if terminal:
            runner._teller._bars.refresh()  # type: ignore[attr-defined]
    text = written.getvalue()
    assert "3 of 4 files" in text and re.search(r"75 ?%", text)
    if not terminal:
        assert text.splitlines() == ["files of media: 2 files", "files of media: 75 %, 3 of 4 files"]
