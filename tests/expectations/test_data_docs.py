"""The Data Docs open from a disk without a network, and show every result."""

from __future__ import annotations

import json
import re
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pytest
from great_expectations import ExpectationSuite

from edms_tasks.validation_result import CheckResult, Failure, SuiteResult
from expectations.checkpoint import Summary, TableSuite
from expectations.data_docs import suite_as_json, write_data_docs
from expectations.integrity import ExpectReferenceToDangleAsAtTheSource
from expectations.row_count import ExpectTableRowCountToEqual
from expectations.summaries import summary_suite

ELSEWHERE = re.compile(
    r"""(?:src|href|action|data)\s*=\s*["']?\s*(?:https?:)?//|url\(|@import|<script|<link""", re.IGNORECASE
)


def suite(title: str, *, success: bool = True, errored: bool = False) -> SuiteResult:
    check = CheckResult("rows", f"{title} holds 4 rows.", success, errored, "rows: 4", "rows: 3", "expected 4, found 3")
    return SuiteResult(title, title, 0 if errored else 1, int(success), int(errored), (check,))


def test_the_index_lists_every_result_and_leads_to_its_page(tmp_path: Path) -> None:
    titles = ["documents.Document", "a/b ../c", "digests", "files"]

    index = write_data_docs([suite(title) for title in titles], [], tmp_path / "docs")

    page = index.read_text()
    links = re.findall(r'<a href="([^"]+)">', page)
    assert "All passed" in page
    assert len(links) == len(titles)
    for link, title in zip(links, titles, strict=True):
        shown = (index.parent / link).read_text()
        assert title in shown
        assert "rows: 4" in shown
        assert "rows: 3" in shown


def test_failed_suites_come_first_and_errors_are_distinguished(tmp_path: Path) -> None:
    suites = [suite("good"), suite("bad", success=False), suite("broken", success=False, errored=True)]

    index = write_data_docs(suites, [Failure("bad", "rows", "expected 4, found 3")], tmp_path / "docs")

    page = index.read_text()
    links = re.findall(r'<a href="suites/\d+-(\w+)\.html">', page)
    assert links == ["bad", "broken", "good"]
    assert page.count("✗ failed") == 1
    assert page.count("✗ errored") == 1


def test_no_page_asks_any_other_host_for_anything(tmp_path: Path) -> None:
    write_data_docs([suite("documents.Document")], [], tmp_path / "docs")

    pages = [*(tmp_path / "docs").rglob("*.html")]
    assert len(pages) == 2
    for page in pages:
        assert not ELSEWHERE.search(page.read_text())


def test_hostile_names_are_shown_and_not_run(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"

    index = write_data_docs([suite(hostile)], [Failure(hostile, "rows", hostile)], tmp_path / "docs")

    for page in index.parent.rglob("*.html"):
        text = page.read_text()
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_a_suite_stands_beside_its_page_as_great_expectations_stores_it(tmp_path: Path) -> None:
    stored = gx.ExpectationSuite(
        name="documents.Document", expectations=[gxe.ExpectTableRowCountToEqual(value=4, description="4 rows")]
    )
    definitions = {"documents.Document": TableSuite(stored, rows="SELECT * FROM doc")}

    index = write_data_docs([suite("documents.Document"), suite("files")], [], tmp_path / "docs", definitions)

    links = re.findall(r'<a download href="([^"]+)">', index.read_text())
    assert links == ["suites/001-documents-Document.json"]
    written = json.loads((index.parent / links[0]).read_text())
    assert written == stored.to_json_dict()
    assert ExpectationSuite(**written) == stored
    page = (index.parent / links[0]).with_suffix(".html")
    assert '<a download href="../suites/001-documents-Document.json">' in page.read_text()


@pytest.mark.parametrize(
    "made",
    [
        summary_suite("digests"),
        gx.ExpectationSuite(
            name="all that ours have",
            expectations=[
                ExpectReferenceToDangleAsAtTheSource(
                    query="SELECT 'é', '\"' FROM {batch}",
                    counted=["dangling"],
                    expected=[3],
                    description="author points at users.User",
                    meta={"check": "reference author", "reference": "author"},
                ),
                ExpectTableRowCountToEqual(value=0),
            ],
            meta={"subject": "main.doc", "title": "documents.Document"},
        ),
    ],
    ids=lambda made: made.name,
)
def test_suites_are_written_as_great_expectations_writes_them(made: gx.ExpectationSuite) -> None:
    assert json.loads(json.dumps(suite_as_json(made))) == made.to_json_dict()


def test_a_summary_stands_beside_its_suite_as_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame([("media", "files", "3", None)], columns=["subject", "measure", "expected", "found"])

    index = write_data_docs([suite("files")], [], tmp_path / "docs", {"files": Summary(summary_suite("files"), frame)})

    table = pd.read_csv(index.parent / "suites/001-files.csv", dtype=str)
    assert table.fillna("").to_numpy().tolist() == [["media", "files", "3", ""]]
