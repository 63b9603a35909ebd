"""What a figure says: whether it is reached, whichever way is better, and how it comes back from its file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.figures import against, as_cells, merged, read_figures, write_figures


@pytest.mark.parametrize(
    ("unit", "ours", "peer", "target", "met"),
    [
        ("seconds", 1.0, 2.0, 0.5, True),
        ("seconds", 1.1, 2.0, 0.5, False),
        ("bytes", 9.0, 10.0, 0.9, True),
        ("rows/s", 500.0, 10.0, 50, True),
        ("rows/s", 499.0, 10.0, 50, False),
        ("seconds", 9.0, 1.0, None, None),
    ],
)
def test_less_time_and_room_and_more_rows_a_second_are_better(
    unit: str, ours: float, peer: float, target: float | None, met: bool | None
) -> None:
    figure = against("name", unit, ours, peer, target)

    assert figure.met is met
    assert figure.ratio == ours / peer


@pytest.mark.parametrize(("ours", "peer"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_a_figure_that_is_no_measurement_is_refused(ours: float, peer: float) -> None:
    with pytest.raises(ValueError, match="name"):
        against("name", "seconds", ours, peer, 1.0)


def test_the_file_is_a_list_whose_first_keys_are_agreed(tmp_path: Path) -> None:
    figure = against("name", "seconds", 1.0, 4.0, 0.5, rows=10, note="said", seconds={"stage": 1.0})

    write_figures([figure], tmp_path / "results" / "latest.json")

    (line,) = json.loads((tmp_path / "results" / "latest.json").read_text(encoding="utf-8"))
    assert list(line)[:6] == ["name", "ours", "peer", "ratio", "target", "met"]
    assert [line[key] for key in list(line)[:6]] == ["name", 1.0, 4.0, 0.25, 0.5, True]
    assert read_figures(tmp_path / "results" / "latest.json") == [figure]


def test_a_figure_measured_again_replaces_the_one_of_its_size(tmp_path: Path) -> None:
    small, large = (against("name", "seconds", 1.0, 2.0, 0.5, rows=rows) for rows in (10, 1000))
    again = against("name", "seconds", 3.0, 2.0, 0.5, rows=1000)

    assert merged([small, large], [again]) == [small, again]


def test_a_line_for_people_says_which_way_the_target_lies() -> None:
    wanted_small = as_cells(against("a", "bytes", 2.5e6, 1e6, 0.9, rows=1000))
    wanted_large = as_cells(against("b", "rows/s", 120_000, 1_000, 100))
    told = as_cells(against("c", "seconds", 1.0, 30.0, None, files=10))

    assert wanted_small == ("a", "1,000 rows", "2.5 MB", "1.0 MB", "2.50", "≤ 0.9", "no")
    assert wanted_large == ("b", "", "120,000 rows/s", "1,000 rows/s", "120.00", "≥ 100", "yes")
    assert told == ("c", "10 files", "1.00 s", "30.00 s", "0.033", "", "")
