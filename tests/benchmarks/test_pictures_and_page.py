"""The pictures are well-formed and hold every series; the page gets its tables and keeps what people wrote."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import document
from benchmarks.figures import against, write_figures
from benchmarks.flame import draw as draw_flames
from benchmarks.growth import Point
from benchmarks.growth import draw as draw_growth
from benchmarks.line_chart import Line, chart
from benchmarks.machine import write_machine
from benchmarks.sampling import Sampler
from edms_tasks.databases.rechunk import rechunked

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [Point(10_000 * 10**i, 1.0 * 3**i, 2.0, 3.0, 40.0, 2.5, 10**8, 2 * 10**8) for i in range(4)]


def _texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_the_growth_picture_holds_every_tool_and_size() -> None:
    picture = draw_growth(POINTS)

    texts = " | ".join(_texts(picture))
    for wanted in ("backup 27 s", "pg_dump -Fc 2 s", "restore 3 s", "restore, proved 40 s", "pg_restore -j2 2.5 s"):
        assert wanted in texts
    for size in ("10,000", "100,000", "1,000,000", "10,000,000"):
        assert size in texts
    assert len(list(ElementTree.fromstring(picture).iter(f"{SVG}circle"))) == 5 * len(POINTS)


def test_both_axes_are_logarithmic() -> None:
    picture = chart("t", [Line("a", [1, 10, 100], [1, 10, 100], "#000")], x_label="x", y_label="y")

    (line,) = ElementTree.fromstring(picture).iter(f"{SVG}polyline")
    (x1, y1), (x2, y2), (x3, y3) = (map(float, pair.split(",")) for pair in line.attrib["points"].split())
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert x1 < x2
    assert y1 > y2


@pytest.mark.parametrize("values", [[], [0.0], [-1.0]])
def test_a_chart_of_nothing_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        chart("t", [Line("a", values, values, "#000")], x_label="x", y_label="y")


def test_a_flame_is_as_wide_as_its_share() -> None:
    picture = draw_flames({("stage", "a"): 75, ("stage", "b", "c"): 25}, "title")

    boxes = {
        (group.findtext(f"{SVG}title") or "").split(":")[0]: float(group.find(f"{SVG}rect").attrib["width"])  # type: ignore[union-attr]
        for group in ElementTree.fromstring(picture).iter(f"{SVG}g")
    }
    assert boxes == {"stage": 1000.0, "a": 750.0, "b": 250.0, "c": 250.0}


def test_the_sampler_sees_where_our_threads_are() -> None:
    def seen() -> bool:
        return any(stack[:2] == ("stage", "rechunk.rechunked") for stack in [*sampler.stacks])

    def slowly() -> object:
        given_up = time.monotonic() + 300
        while not seen() and time.monotonic() < given_up:
            time.sleep(0.01)
        yield from ()

    with Sampler(lambda: "stage") as sampler:
        thread = threading.Thread(target=lambda: list(rechunked(slowly(), None, 1)))  # type: ignore[arg-type]
        thread.start()
        thread.join()

    assert seen()


def test_the_page_gets_its_tables_and_keeps_the_rest(tmp_path: Path) -> None:
    figures, growth, page = tmp_path / "latest.json", tmp_path / "growth.json", tmp_path / "page.md"
    write_figures(
        [against("a | b", "seconds", 1.0, 2.0, 0.5, rows=10, note="a note", seconds={"extract": 1.5})], figures
    )
    write_machine(figures, "postgres (PostgreSQL) 15")
    growth.write_text("[]", encoding="utf-8")
    marks = [f"<!-- measured: {name} -->\nold\n<!-- end of measured -->" for name in ("figures", "stages", "growth")]
    page.write_text("before\n" + "\nbetween\n".join(marks) + "\nafter\n", encoding="utf-8")
    arguments = ["--figures", str(figures), "--growth", str(growth), "--page", str(page)]

    document.main(arguments)
    once = page.read_text(encoding="utf-8")
    document.main(arguments)

    assert page.read_text(encoding="utf-8") == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert once.count("\nbetween\n") == 2
    assert "old" not in once
    assert "| a \\| b | 10 rows | 1.00 s | 2.00 s | 0.50 | ≤ 0.5 | yes |" in once
    assert "extract 1.5" in once
    assert "- a note" in once
    assert "PostgreSQL) 15" in once


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="0 places for figures"):
        document.replaced("nothing here", "figures", [])


def test_the_real_page_has_its_marks() -> None:
    page = document.PAGE.read_text(encoding="utf-8")

    for name in ("figures", "stages", "growth"):
        document.replaced(page, name, [])
