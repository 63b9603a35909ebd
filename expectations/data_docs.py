"""Write the Data Docs: a page for every validation result and an index, which need no network and no script.

Great Expectations' own pages load their styles, scripts and a tracking image from eight hosts, and show an empty list without them.
These pages are written from the same results, and `index.html` works from a disk years later. Beside each page is its suite as Great
Expectations stores suites, so that it can be loaded and run again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType

import great_expectations as gx
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from jinja2 import Environment

from edms_tasks.json_text import indented_json
from edms_tasks.templates import templates_in
from edms_tasks.validation_result import Failure, SuiteResult
from expectations.checkpoint import Summary, TableSuite


@dataclass(frozen=True)
class Page:
    """A suite's result, and its files."""

    suite: SuiteResult
    page: str
    files: tuple[str, ...]  # the suite as JSON, and a summary's frame as CSV


def write_data_docs(
    suites: Sequence[SuiteResult],
    failures: Sequence[Failure],
    folder: Path,
    definitions: Mapping[str, TableSuite | Summary] = MappingProxyType({}),
) -> Path:
    """Write the index, and for each suite its page and its JSON, into `folder` (created); returns the index.

    Args:
        suites: the results.
        failures: the failures of the verdict.
        folder: the folder for all files.
        definitions: subject of a result -> its suite; results without one get no JSON.
    """
    (folder / "suites").mkdir(parents=True, exist_ok=True)
    written = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    pages = []
    for number, suite in enumerate(suites, start=1):
        name = f"suites/{number:03d}-{_slug(suite.title)}"
        defined = definitions.get(suite.subject)
        page = Page(suite, f"{name}.html", _write_definition(folder, name, defined) if defined else ())
        _write(folder / page.page, "suite.html.j2", page=page, suite=suite, written=written)
        pages.append(page)
    index = folder / "index.html"
    # Failed suites first, otherwise in the manifest's order.
    pages.sort(key=lambda page: page.suite.success)
    _write(index, "index.html.j2", pages=pages, failures=failures, written=written)
    return index


def _write_definition(folder: Path, name: str, defined: TableSuite | Summary) -> tuple[str, ...]:
    (folder / f"{name}.json").write_bytes(indented_json(suite_as_json(defined.suite)))
    if isinstance(defined, TableSuite):
        return (f"{name}.json",)
    defined.frame.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8", errors="backslashreplace")
    return f"{name}.json", f"{name}.csv"


def suite_as_json(suite: gx.ExpectationSuite) -> dict[str, object]:
    """What `suite.to_json_dict()` returns, in a twentieth of the time: that one copies everything several times.

    The suites are our own: their values are texts, numbers, lists and objects already.
    """
    expectations = [_expectation_as_json(expectation.configuration) for expectation in suite.expectations]
    named = {"name": suite.name, "id": suite.id, "meta": suite.meta, "notes": suite.notes}
    return named | {"expectations": expectations}


def _expectation_as_json(configuration: ExpectationConfiguration) -> dict[str, object]:
    left_out_if_none = {"id": configuration.id, "notes": configuration.notes, "description": configuration.description}
    return {
        "type": configuration.type,
        "kwargs": configuration.kwargs,
        "meta": configuration.meta,
        "severity": configuration.severity.value,
        **{name: value for name, value in left_out_if_none.items() if value is not None},
    }


def _write(path: Path, template: str, **values: object) -> None:
    page = _environment().get_template(template).render(**values)
    path.write_text(page, encoding="utf-8", errors="backslashreplace")


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-")[:60] or "suite"


@cache
def _environment() -> Environment:
    return templates_in(Path(__file__).parent / "pages")
