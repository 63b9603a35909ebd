"""The Data Docs: a page for every validation result and an index, as files that need no network and no script.

Great Expectations' own pages load their styles, scripts and a tracking image from eight hosts, and show an empty list
without them. These are written from the same results: open `index.html` from a disk, years later, and it is all there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edms_tasks.validation_result import Failure, SuiteResult


def write_data_docs(suites: Sequence[SuiteResult], failures: Sequence[Failure], folder: Path) -> Path:
    """Write the index and one page per suite into `folder` (created); returns the index."""
    (folder / "suites").mkdir(parents=True, exist_ok=True)
    pages = [(suite, f"suites/{number:03d}-{_slug(suite.title)}.html") for number, suite in enumerate(suites, start=1)]
    written = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    for suite, page in pages:
        _write(folder / page, "suite.html.j2", suite=suite, written=written)
    index = folder / "index.html"
    # What failed stands first; otherwise the order is the manifest's.
    ranked = sorted(pages, key=lambda pair: pair[0].success)
    _write(index, "index.html.j2", pages=ranked, failures=failures, written=written)
    return index


def _write(path: Path, template: str, **values: object) -> None:
    page = _environment().get_template(template).render(**values)
    path.write_text(page, encoding="utf-8", errors="backslashreplace")


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-")[:60] or "suite"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
