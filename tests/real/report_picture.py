"""The picture of a recovery report in `README.md`: the demo's, seen in a real browser.

`python -m tests.real.report_picture docs/pictures` needs Chromium and the package playwright, which nothing else here needs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.real.browser import empty_page

_SHORTEN = """
([folder, shown]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(folder, shown);
}
"""


def draw(folder: Path) -> None:
    """Write `recovery-report.png` into `folder`."""
    command = [sys.executable, "-m", "flows.cli.app", "demo", "--keep", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    shown = json.loads(done.stdout)
    home = shown["folder"]
    try:
        with empty_page(1100, 1300) as page:
            page.goto(Path(shown["restore"]["report_html"]).as_uri())
            # The demo's EDMS lies in a temporary folder, whose name says nothing.
            page.evaluate(_SHORTEN, [home, "/srv/edms"])
            page.screenshot(path=folder / "recovery-report.png")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
