"""The owner's own suites: read or refused, run beside ours, and shown without values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import UnusableSuite
from edms_tasks.owners_suites import read_suites
from edms_tasks.validate import assess, require_suites, suite_problems, validate_restored
from edms_tasks.validation_result import ValidationResult
from tests.expectations.small_edms import PERSON, FoundFiles, create, manifest, states

TABLES = [entry.table for entry in manifest().tables]
NUMBERED = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "number"}}
ALL_NUMBERED = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "number"}}  # one of four is NULL
NO_THIRD = {
    "type": "unexpected_rows_expectation",
    "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE number = 'SOP-3'"},
}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The SQLAlchemy URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/restored.sqlite3"
    return DatabaseAddress.from_url(request.getfixturevalue("postgres_database")).sqlalchemy_url()


def of_table(*expectations: dict[str, Any], table: str = "doc", name: str = "mine") -> dict[str, Any]:
    return {"name": name, "meta": {"table": table}, "expectations": list(expectations)}


def test_suites_of_tables_and_queries_are_evaluated_and_count(empty_url: str, tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        passes=of_table(NUMBERED),
        fails=of_table(NUMBERED, ALL_NUMBERED, NO_THIRD),
        query={
            "name": "joined",
            "meta": {"query": "SELECT d.number FROM doc AS d JOIN doc_readers AS r ON r.document_id = d.id"},
            "expectations": [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}}],
        },
    )

    result = _validated(create(empty_url), tmp_path, folder)

    suites = {suite.title: suite for suite in result.suites if suite.owners}
    assert {title: suite.success for title, suite in suites.items()} == {
        "mine (fails.json)": False,
        "mine (passes.json)": True,
        "joined (query.json)": True,
    }
    assert {f"{failure.subject}: {failure.check}: {failure.message}" for failure in result.failures} == {
        "mine (fails.json): expect_column_values_to_not_be_null (number): not met: 1 of 4 rows unexpected",
        "mine (fails.json): unexpected_rows_expectation: not met: 1",
    }
    evidence = json.loads((tmp_path / "reports/validation.json").read_text())
    assert not evidence["success"]
    assert "mine (fails.json)" in (tmp_path / "reports/data_docs/index.html").read_text()


def test_no_value_of_a_row_reaches_the_evidence(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        suite=of_table(
            {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "number", "regex": "^X"}},
            {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "number", "value_set": ["X"]}},
            {"type": "expect_column_max_to_be_between", "kwargs": {"column": "author_id", "max_value": 3}},
            {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch}"}},
        ),
    )

    result = _validated(create(f"sqlite:///{tmp_path}/restored.sqlite3"), tmp_path, folder)

    assert len(result.failures) == 4
    written = [path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert not any("SOP-" in text for text in written)
    largest = next(failure for failure in result.failures if failure.check.startswith("expect_column_max"))
    assert largest.message == "not met"  # 77 is the value of a row


@pytest.mark.parametrize("name", ["documents.Document.number", "DOC.Number"])
def test_a_suite_of_a_table_with_a_sensitive_column_is_not_shown(name: str, tmp_path: Path) -> None:
    secret = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "number", "value_set": ["EMP-SECRET"]}}
    asks = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT 'EMP-SECRET' FROM nope"}}
    folder = _folder(tmp_path, column=of_table(secret), query=of_table(asks, table="audit"))

    result = _validated(create(f"sqlite:///{tmp_path}/restored.sqlite3"), tmp_path, folder, sensitive=(name,))

    assert {failure.subject for failure in result.failures} == {"mine (column.json)", "mine (query.json)"}
    written = [path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert written
    assert not any("EMP-SECRET" in text for text in written)


def test_a_suite_that_would_write_fails_and_changes_nothing(empty_url: str, tmp_path: Path) -> None:
    query = "DELETE FROM doc_readers RETURNING id"
    writes = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}}

    result = _validated(create(empty_url), tmp_path, _folder(tmp_path, suite=of_table(writes)))
    again = _validated(empty_url, tmp_path, None)

    assert [failure.subject for failure in result.failures] == ["mine (suite.json)"] * 2
    assert again.success  # its own suites count the rows


def test_a_suite_that_was_not_evaluated_fails() -> None:
    failures = assess(manifest(), states(), [FoundFiles()], [], owners=["mine (suite.json)"])

    assert "mine (suite.json): suite: no suite was evaluated for it" in {str(failure) for failure in failures}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{", "not readable JSON"),
        ("[]", "It is not a suite"),
        (json.dumps({"meta": {"table": "doc"}, "expectations": [NUMBERED]}), "It is not a suite"),
        (json.dumps(of_table()), "no expectations"),
        (json.dumps(of_table({"expectation_type": "expect_column_values_to_be_unique"})), "Expectation 1 has no type"),
        (json.dumps({"name": "mine", "expectations": [NUMBERED]}), "neither a table nor a query"),
        (json.dumps(of_table(NUMBERED) | {"meta": {"table": "doc", "query": "SELECT 1"}}), "or both"),
        (json.dumps(of_table(NUMBERED) | {"meta": {"query": "DELETE FROM doc"}}), "does not begin with SELECT"),
        (json.dumps(of_table(NUMBERED, table="docs")), "no model or table 'docs'"),
        (json.dumps(of_table(NUMBERED, table="select")), "column 'number', which select does not have"),
        (json.dumps(of_table(NUMBERED | {"kwargs": {"column": {"$PARAMETER": "c"}}})), "$PARAMETER"),
    ],
)
def test_a_file_that_is_no_usable_suite_is_named_without_great_expectations(
    written: str, why: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path, good=of_table(NUMBERED))
    (folder / "wrong.json").write_text(written)

    suites, problems = read_suites(folder, TABLES)

    assert [suite.file for suite in suites] == ["good.json"]
    assert [(Path(problem.where).name, why in problem.why) for problem in problems] == [("wrong.json", True)]


@pytest.mark.parametrize(
    ("suite", "why"),
    [
        (of_table({"type": "expect_the_best"}), "expect_the_best not found"),
        (of_table({"type": "expect_column_values_to_be_unique", "kwargs": {}}), "field required"),
        (of_table(NUMBERED | {"kwargs": {"column": "number", "colour": 1}}), "extra fields not permitted"),
        (of_table({"type": "expect_table_row_count_to_equal", "kwargs": {"value": 2}}, table=PERSON), "of this name"),
    ],
)
def test_an_unknown_expectation_is_refused_and_not_left_out(suite: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableSuite) as refused:
        require_suites(_folder(tmp_path, suite=suite), TABLES)

    assert why in refused.value.why
    assert refused.value.where == "suite.json"


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    problems = [*suite_problems(tmp_path / "missing", TABLES), *suite_problems(tmp_path / "empty", TABLES)]

    assert [problem.what for problem in problems] == [
        "The folder of suites cannot be read.",
        "The folder of suites holds none.",
    ]


def _folder(tmp_path: Path, **suites: dict[str, Any]) -> Path:
    folder = tmp_path / "suites"
    folder.mkdir()
    for name, suite in suites.items():
        (folder / f"{name}.json").write_text(json.dumps(suite))
    return folder


def _validated(url: str, tmp_path: Path, folder: Path | None, sensitive: tuple[str, ...] = ()) -> ValidationResult:
    return validate_restored(
        manifest(),
        states(),
        [FoundFiles()],
        url,
        tmp_path / "reports",
        suites_folder=folder,
        sensitive=sensitive,
        jobs=2,
    )
