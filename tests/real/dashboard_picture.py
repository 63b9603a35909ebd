"""The picture of the dashboard in `docs/dashboard.md`: of an invented history, seen in a real browser."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from flows.dashboard.figures import Collected
from flows.dashboard.site import write_site
from tests.dashboard.sample_history import sample_history
from tests.real.browser import empty_page


def draw(folder: Path) -> None:
    """Write `dashboard.png` into `folder`."""
    with tempfile.TemporaryDirectory() as scratch, empty_page(1280, 1330) as page:
        write_site(Collected(sample_history(), {}), Path(scratch) / "site")
        page.goto((Path(scratch) / "site" / "index.html").as_uri())
        page.screenshot(path=folder / "dashboard.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
