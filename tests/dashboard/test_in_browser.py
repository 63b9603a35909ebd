"""The dashboard in a real browser: no error, no request to elsewhere, nothing of the log executed, on wide and narrow screens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.dashboard.figures import Collected
from flows.dashboard.site import write_site
from tests.dashboard.sample_history import sample_history

pytestmark = pytest.mark.long
pytest.importorskip("playwright", reason="the browser's driver is installed by hand: `pip install playwright`")

CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboard") / "site"
    write_site(Collected(sample_history(), {}), folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_without_errors_requests_or_overflow(site: Path, browser: Any, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    page.goto((site / "index.html").as_uri())

    assert page.locator(".plot svg").count() == 8
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_it_is_filtered_by_edms_period_and_outcome(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    assert page.locator("#systems article").count() == 2

    page.select_option("#edms", "office")
    page.select_option("#outcome", "failed")

    assert page.locator("#systems article").count() == 1
    assert "The backups are not well" in page.locator("#systems").inner_text()
    outcomes = page.locator("#runs tbody tr td:nth-child(3)").all_inner_texts()
    assert set(outcomes) == {"failed"}
    page.select_option("#period", "30")
    assert len(page.locator("#runs tbody tr").all()) < len(outcomes)


def test_every_chart_is_a_table_too_and_is_reached_by_keyboard(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())

    page.locator("#rows summary").focus()
    page.keyboard.press("Enter")

    page.locator("#rows details tbody tr").nth(10).wait_for(state="attached")  # it is filled when it is opened
    assert "From" in (page.locator("#rows .plot").get_attribute("aria-label") or "")


@pytest.mark.skipif("AXE" not in os.environ, reason="AXE names the file axe.min.js of the npm package axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Path, browser: Any, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto((site / "index.html").as_uri())
    page.evaluate(Path(os.environ["AXE"]).read_text(encoding="utf-8"))

    found = page.evaluate("axe.run()")

    assert [(one["id"], one["impact"]) for one in found["violations"]] == []
    assert len(found["passes"]) > 20
