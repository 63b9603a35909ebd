"""The cost model finds what data were made with, looks at nothing that is held out, and says by how much it is wrong there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import capacity, capacity_page
from benchmarks.cost_model import Model, compare, fit, read_model
from benchmarks.cost_points import VERBS, Cost, Point, Size, read_points, write_points

_SIZES = [
    Size(100_000, 400_000, 5e6, 0, 0, 0),
    Size(100_000, 3_000_000, 60e6, 0, 0, 0),
    Size(500_000, 5_000_000, 100e6, 1_000_000, 0, 0),
    Size(1_000_000, 4_000_000, 250e6, 2_000_000, 0, 0),
    Size(200, 800, 500_000, 0, 20_000, 500e6),
    Size(200, 800, 500_000, 0, 1_000, 25e6),
    Size(200, 800, 500_000, 0, 200, 400e6),
    Size(300_000, 3_000_000, 70e6, 900_000, 5_000, 125e6),
]


def true_cost(size: Size, requests: int = 0) -> Cost:
    """By these rules the synthetic points are made."""
    return Cost(
        program=2 + 5e-6 * size.rows + 1e-6 * size.values + 20e-9 * size.row_bytes + 1e-6 * size.references
        + 2e-4 * size.files + 4e-9 * size.file_bytes + 0.003 * requests,
        database=0.5 + 2e-6 * size.rows + 10e-9 * size.row_bytes,
        requests=requests,
        stored=round(100_000 + 0.2 * size.row_bytes + 0.7 * size.file_bytes),
        peak=round(300e6 + 1e6 * size.references ** (1 / 3)),
    )  # fmt: skip


def requests_of(size: Size) -> int:
    return round(40 + size.files / 100)


def synthetic_points() -> list[Point]:
    """Each size in a folder and in a store."""
    points = []
    for number, size in enumerate(_SIZES):
        here = true_cost(size)
        there = true_cost(size, requests_of(size))
        for store, cost in (("folder", here), ("s3", there)):
            points.append(Point(f"{store} {number}", False, store, 0, size, dict.fromkeys(VERBS, cost)))
    return points


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(synthetic_points())


LARGE = Size(50e6, 600e6, 11e9, 100e6, 2e6, 300e9)


def test_costs_of_a_size_that_was_never_seen_are_those_of_the_rules(model: Model) -> None:
    for in_store in (False, True):
        expected = true_cost(LARGE, requests_of(LARGE) if in_store else 0)
        for part, value in (
            ("program", expected.program),
            ("database", expected.database),
            ("stored", expected.stored),
            ("peak", expected.peak),
        ):
            assert model.cost("first", part, LARGE, in_store=in_store) == pytest.approx(value, rel=0.02), part
    chunks = LARGE.rows / 65_536  # each is stored and read back
    assert model.cost("first", "requests", LARGE, in_store=True) == pytest.approx(
        requests_of(LARGE) + 2 * chunks, rel=0.02
    )
    assert model.cost("next", "requests", LARGE, in_store=True) == pytest.approx(requests_of(LARGE), rel=0.02)


def test_nothing_becomes_cheaper_with_more_of_it() -> None:
    points = [
        Point(f"{rows}", False, "s3", workers, Size(rows, rows * 4, rows * 50), dict.fromkeys(VERBS, cost))
        for workers in (0, 1)
        for rows, seconds in ((1_000, 9.0), (2_000, 8.0), (4_000, 7.0))
        for cost in [Cost(program=seconds, database=1, workers=[seconds] * workers, requests=10, stored=10, peak=10)]
    ]
    for parts in fit(points).coefficients.values():
        for coefficients in parts.values():
            assert all(value > 0 for value in coefficients.values())


def test_a_point_that_is_held_out_changes_nothing_and_is_compared(model: Model) -> None:
    size = Size(2_000_000, 20_000_000, 450e6, 5_000_000, 0, 0)
    right = true_cost(size)
    slower = dataclasses.replace(right, program=right.program * 2)
    outside = Point("outside", True, "folder", 0, size, {"restore": slower})

    again = fit([*synthetic_points(), outside])
    compared = {one.part: one for one in compare(again, [outside])}

    assert again == model
    assert set(compared) == {"program", "database", "stored", "peak"}  # it had no store, and no workers
    assert compared["program"].measured == slower.program
    assert compared["program"].error == pytest.approx(-0.5, abs=0.02)
    assert compared["database"].error == pytest.approx(0, abs=0.02)


def test_a_part_that_nobody_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="no point was measured for the part requests of the verb first"):
        fit([point for point in synthetic_points() if point.store == "folder"])


def test_points_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_points(synthetic_points(), tmp_path / "points.json")

    read = read_points(tmp_path / "points.json")

    assert [one.name for one in read] == [one.name for one in synthetic_points()]
    assert fit(read) == fit(synthetic_points())
    assert read_points(tmp_path / "none.json") == []


def test_the_command_fits_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--points", str(tmp_path / "points.json"), "--model", str(tmp_path / "model.json")]
    held_out = dataclasses.replace(synthetic_points()[0], name="held", held_out=True)
    write_points([*synthetic_points(), held_out], tmp_path / "points.json")
    capacity.main([*files, "fit"])
    assert "held, first, program: measured 3.0, predicted 3.0, +0 %" in capsys.readouterr().out

    size = ["--rows", "50e6", "--values-per-row", "12", "--bytes-per-row", "220", "--references-per-row", "2"]
    size += ["--files", "2e6", "--bytes-per-file", "150e3"]
    machine = ["--cores", "1", "--folder", "--price-per-core-hour", "10"]
    capacity.main([*files, "predict", "first", *size, *machine, "--json"])
    (said,) = json.loads(capsys.readouterr().out)
    hours = true_cost(LARGE).program / 3600
    assert said["hours"] == pytest.approx(hours, rel=0.02)
    assert said["money"] == pytest.approx(10 * hours, rel=0.02)
    assert said["requests"] == 0
    assert said["bound"] == "program"

    capacity.main([*files, "predict", *size, "--workers", "4"])
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "All figures are predicted, none is measured."
    assert [line.split()[0] for line in told[1:]] == list(VERBS)


def test_the_page_gets_its_tables_and_its_picture(tmp_path: Path, model: Model) -> None:
    page, picture = tmp_path / "page.md", tmp_path / "picture.svg"
    page.write_text(capacity_page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    held_out = dataclasses.replace(synthetic_points()[0], name="held", held_out=True)

    capacity_page.write_page([*synthetic_points(), held_out], model, page, picture)

    text = page.read_text(encoding="utf-8")
    assert "| held | first backup | program | 3.0 s | 3.0 s | +0 % |" in text
    assert text.count(", predicted") == 2 * len(capacity_page.SYSTEMS)
    assert text.count("| 64 workers |") == len(capacity_page.SYSTEMS)
    assert "100 TB" in picture.read_text(encoding="utf-8")


def test_the_model_that_is_stored_is_that_of_the_points_that_are_stored() -> None:
    results = capacity.RESULTS
    fitted = fit(read_points(results / "capacity.json"))
    stored = read_model(results / "capacity-model.json")
    for verb, parts in fitted.coefficients.items():
        for part, coefficients in parts.items():
            assert stored.coefficients[verb][part] == pytest.approx(coefficients)
