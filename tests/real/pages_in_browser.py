"""Every page that people see, in a real browser: `make browser`, which needs Chromium, and makes an environment of its own for its driver.

Pages of edms-backup: reports, Data Docs, dashboard and evidence, wide and narrow, light and dark. Each must draw without an error on the
console, ask nobody else for anything, be no wider than the screen, print, and have nothing that axe-core calls serious. Prefect's UI is
not ours: there the forms, the graph, the artifacts and an approval must show what they should, and nothing may leave the machine.

    python -m tests.real.pages_in_browser [FOLDER]      # with a folder: the picture of an approval is made anew there
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.prefect_server import wait_for
from tests.real.browser import ARGUMENTS, CHROMIUM

SECONDS_TO_DRAW = 1.0
SERIOUS = ("serious", "critical")


class Watched:
    """A page, and what it said and asked for."""

    def __init__(self, browser: Browser, width: int, scheme: Any) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        self.errors: list[str] = []
        self.asked: set[str] = set()
        self.page.on("console", lambda one: self.errors.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(request.url))

    def elsewhere(self, *own: str) -> list[str]:
        return sorted(url for url in self.asked if not url.startswith(("file:", "data:", "blob:", *own)))


def our_pages(browser: Browser, pages: dict[str, Path]) -> list[str]:
    """What is wrong with pages of ours, by name."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    wrong = []
    for name, path in pages.items():
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                watched = Watched(browser, width, scheme)
                watched.page.goto(path.as_uri())
                watched.page.wait_for_timeout(1000 * SECONDS_TO_DRAW)
                here = f"{name}, {width} px, {scheme}"
                wrong += [f"{here}: console: {error}" for error in watched.errors]
                wrong += [f"{here}: asks {url}" for url in watched.elsewhere()]
                wide = watched.page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    wrong.append(f"{here}: {wide} px wide")
                wrong += [f"{here}: axe: {found}" for found in _violations(watched.page, axe)]
                watched.page.close()
        wrong += _printed(browser, name, path)
    return wrong


def _violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS
    ]


def _printed(browser: Browser, name: str, path: Path) -> list[str]:
    page = browser.new_page(color_scheme="dark")  # paper is white all the same
    page.goto(path.as_uri())
    pdf = page.pdf()
    page.emulate_media(media="print")
    ink = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    bad = [] if pdf.startswith(b"%PDF") and len(pdf) > 5_000 else [f"{name}: no PDF"]
    dark = ink.startswith("rgb(") and sum(map(int, ink[4:-1].split(","))) < 300
    return [*bad, *([f"{name}: prints on {ink}"] if dark else [])]


def prefect_pages(browser: Browser, served: Served, run: str, backup: str, pictures: Path | None) -> list[str]:
    """What is wrong in Prefect's UI."""
    wrong: list[str] = []
    watched = Watched(browser, 1280, "light")
    page = watched.page
    page.goto(served.url)
    page.locator("input").first.wait_for(timeout=60_000)
    page.fill("input", served.login)
    page.keyboard.press("Enter")
    page.wait_for_timeout(3000)

    def shows(path: str, *texts: str) -> None:
        page.goto(f"{served.url}{path}")
        for text in texts:
            try:
                page.get_by_text(text).first.wait_for(timeout=30_000)
            except Exception as error:
                wrong.append(f"Prefect{path}: no {text!r}: {type(error).__name__}")

    shows("/deployments", "backup-plant")  # the list has several pages
    shows(f"/deployments/deployment/{served.deployments['restore-plant']}", "restore-plant")
    shows(f"/deployments/deployment/{served.deployments['restore-plant']}/run", "Confirm", "Snapshot", "Into")
    shows(f"/runs/flow-run/{backup}", "Completed")
    try:
        page.locator(".flow-run-graph").first.wait_for(timeout=30_000)
    except Exception as error:
        wrong.append(f"Prefect: no graph of the backup: {type(error).__name__}")
    page.get_by_text("Artifacts").first.click(timeout=30_000)
    page.get_by_text("backup-verdict").first.wait_for(timeout=30_000)
    shows(f"/runs/flow-run/{run}", "Suspended")
    page.get_by_role("button", name="Resume").first.click(timeout=30_000)
    for text in ("EDMS", "Your name", "Note"):
        page.get_by_text(text).first.wait_for(timeout=30_000)
    page.wait_for_timeout(2000)
    if pictures is not None:
        page.screenshot(path=pictures / "approval.png")
    wrong += [f"Prefect asks {url}" for url in watched.elsewhere(served.url)]
    return wrong


class Served:
    """`edms-backup serve`, and its API."""

    def __init__(self, config: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        command = [
            sys.executable,
            "-m",
            "flows.cli.app",
            "--config",
            str(config),
            "serve",
            "--home",
            str(home),
            "--port",
            str(port),
        ]
        self.process = subprocess.Popen(command, env=env | {"PREFECT_WORKER_QUERY_SECONDS": "1"})
        wait_for(lambda: (home / "worker.log").exists() or self.process.poll() is not None, "the worker")
        self.login = (home / "login").read_text(encoding="utf-8").strip()
        user, _, password = self.login.partition(":")
        self.api = httpx.Client(base_url=f"{self.url}/api", timeout=120, auth=(user, password))
        token = self.api.get("/csrf-token", params={"client": "test"}).raise_for_status().json()["token"]
        self.api.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"})
        self.deployments = {one["name"]: one["id"] for one in self.ask("/deployments/filter")}

    def ask(self, path: str, **conditions: Any) -> Any:
        def post() -> httpx.Response | None:
            answer = self.api.post(path, json=conditions)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer.raise_for_status()

        return wait_for(post, f"an answer from {path}").json()

    def start(self, deployment: str, until: str, **parameters: Any) -> str:
        run = str(self.ask(f"/deployments/{self.deployments[deployment]}/create_flow_run", parameters=parameters)["id"])

        def reached() -> bool:
            state = self.api.get(f"/flow_runs/{run}").raise_for_status().json()["state"]
            if state["type"] != until and state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                raise AssertionError(f"{deployment}: {state['type']}: {state['message']}")
            return bool(state["type"] == until)

        wait_for(reached, f"{until} of {deployment}")
        return run

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


@contextmanager
def demo() -> Iterator[dict[str, Any]]:
    """The demo's EDMS, with what its commands said."""
    command = [sys.executable, "-m", "flows.cli.app", "demo", "--keep", "--json", "--documents", "40"]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    shown = json.loads(done.stdout)
    try:
        yield shown
    finally:
        shutil.rmtree(shown["folder"])


def main(pictures: Path | None) -> int:
    """Check all; returns the exit code."""
    with demo() as shown, tempfile.TemporaryDirectory() as scratch:
        (config,) = Path(shown["folder"]).glob("*.toml")
        config.write_text(
            config.read_text(encoding="utf-8").replace("[edms]\n", '[edms]\nid = "plant"\n', 1), encoding="utf-8"
        )
        out = Path(scratch)
        command = [sys.executable, "-m", "flows.cli.app", "--config", str(config)]
        subprocess.run([*command, "backup"], check=True)
        subprocess.run([*command, "report", "--out", str(out / "site")], check=True)
        subprocess.run(
            [*command, "evidence", "--from", "2020-01-01", "--to", "2099-12-31", "--out", str(out / "evidence")],
            check=False,
        )
        pages = {
            "recovery report": Path(shown["restore"]["report_html"]),
            "data docs": Path(shown["restore"]["data_docs"]),
            "dashboard": out / "site" / "index.html",
            "evidence": out / "evidence" / "index.html",
            "report of a run": min((out / "evidence" / "reports").glob("*.html")),
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            wrong = our_pages(browser, pages)
            served = Served(config, out / "prefect")
            try:
                backup = served.start("backup-plant", "COMPLETED")
                run = served.start("restore-plant", "PAUSED", confirm=True)
                wrong += prefect_pages(browser, served, run, backup, pictures)
            finally:
                served.stop()
            browser.close()
    said = [f"✗ {one}\n" for one in dict.fromkeys(wrong)] or ["✓ every page is as it should be\n"]
    sys.stdout.writelines(said)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
