"""The checkpoint: stock expectations where they serve, custom ones where they do not, and suites that can be run again."""

from __future__ import annotations

import json
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pytest
from great_expectations import ExpectationSuite
from great_expectations.expectations.row_conditions import Column

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import DatabaseRefused
from edms_tasks.validate import validate_restored
from edms_tasks.validation_result import SuiteResult
from expectations.checkpoint import Summary, TableSuite, distributed, run_checkpoint
from expectations.results import read_summary
from expectations.summaries import summary_suite
from tests.expectations.small_edms import PERSON, FoundFiles, create, manifest, states


def test_rows_are_counted_by_great_expectations_own_expectation(tmp_path: Path) -> None:
    types = _row_count_of(tmp_path, "doc")

    assert types == "expect_table_row_count_to_equal"


def test_a_condition_on_the_rows_of_an_owners_suite_is_kept(tmp_path: Path) -> None:
    url = create(f"sqlite:///{tmp_path / 'small.db'}")
    for value, condition, met in ((2, Column("id") > 2, True), (4, Column("id") > 2, False), (4, None, True)):
        expectation = gxe.ExpectTableRowCountToEqual(value=value, row_condition=condition)
        suite = gx.ExpectationSuite(name="owner's", expectations=[expectation])

        (result,) = run_checkpoint(url, [TableSuite(suite, "SELECT * FROM doc")])

        assert result.success is met


def test_rows_of_a_table_whose_name_sqlalchemy_would_change_are_counted_by_ours(tmp_path: Path) -> None:
    assert _row_count_of(tmp_path, PERSON) == "expect_table_to_hold_rows"


def test_every_suite_is_stored_with_the_evidence_and_can_be_loaded_again(tmp_path: Path) -> None:
    suites = _stored_suites(tmp_path)

    assert {suite.meta["subject"] for suite in suites} == {entry.table.id for entry in manifest().tables} | {
        "digests",
        "files",
    }
    assert all(suite.expectations for suite in suites)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("media", "files", "3", "4"), "expected 3, found 4"),
        (("media", "files", "3", None), "expected 3, found nothing there"),
        (("media", "files", None, "3"), "expected nothing there, found 3"),
        (("media", "files", None, None), "expected nothing there, found nothing there"),
    ],
)
def test_a_line_of_a_summary_that_differs_is_named(line: tuple[str | None, ...], message: str) -> None:
    result = _summarised([("media", "digest", "ab", "ab"), line])

    assert [(check.name, check.success) for check in result.checks] == [
        ("media: digest", True),
        ("media: files", False),
    ]
    assert result.checks[1].message == message


def test_a_summary_that_measures_something_twice_fails() -> None:
    result = _summarised([("media", "files", "3", "3"), ("media", "files", "3", "3")])

    assert not result.success


def test_a_summary_that_cannot_be_evaluated_fails() -> None:
    result = _summarised([("media", "files", "3", "3")], columns=("subject", "measure", "expected", "other"))

    assert (result.success, result.errored > 0) == (False, True)


def test_an_expectation_that_is_not_met_and_names_no_line_fails() -> None:
    frame = pd.DataFrame([("media", "files", "3", "3")], columns=["subject", "measure", "expected", "found"])
    suite = gx.ExpectationSuite(name="files", expectations=[gxe.ExpectTableRowCountToEqual(value=2)])

    result = read_summary(run_checkpoint("sqlite://", [Summary(suite, frame)])[0], frame, {})

    assert not result.success


def test_a_database_that_goes_away_meanwhile_is_reported_and_no_failed_check(
    postgres_database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ended a restore with "NOT PROVED" where the server was stopped during the validation."""
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()
    ended = _counting("SELECT pg_terminate_backend(pg_backend_pid()) AS ended")

    with pytest.raises(DatabaseRefused) as refused:
        run_checkpoint(url, [ended])

    assert refused.value.transient and refused.value.exit_code == 3
    assert url not in str(refused.value)
    assert "Traceback" not in capfd.readouterr().err


def test_a_query_that_fails_is_a_failed_check_and_no_lost_database(postgres_database: str) -> None:
    url = DatabaseAddress.from_url(postgres_database).sqlalchemy_url()

    (result,) = run_checkpoint(url, [_counting("SELECT 1 / (random()::int * 0) AS divided")])

    assert not result.success


def test_the_heaviest_suites_are_shared_out_first() -> None:
    suites = [_weighing(weight) for weight in (1, 2, 9, 3, 4)]

    shares = distributed(suites, 2)

    assert [[table.weight for table in share] for share in shares] == [[9, 1], [4, 3, 2]]


def _row_count_of(tmp_path: Path, table_id: str) -> str:
    suite = next(suite for suite in _stored_suites(tmp_path) if suite.meta["subject"] == table_id)
    return next(e.expectation_type for e in suite.expectations if (e.meta or {})["check"] == "rows")


def _stored_suites(tmp_path: Path) -> list[ExpectationSuite]:
    url = create(f"sqlite:///{tmp_path}/restored.sqlite3")
    result = validate_restored(manifest(), states(), [FoundFiles()], url, tmp_path / "reports")
    assert result.success
    stored = sorted((result.data_docs.parent / "suites").glob("*.json"))
    return [ExpectationSuite(**json.loads(path.read_text())) for path in stored]


def _summarised(
    lines: list[tuple[str | None, ...]], columns: tuple[str, ...] = ("subject", "measure", "expected", "found")
) -> SuiteResult:
    frame = pd.DataFrame(lines, columns=list(columns), dtype="str")
    (result,) = run_checkpoint("sqlite://", [Summary(summary_suite("files"), frame)])
    return read_summary(result, frame, {})


def _counting(rows: str) -> TableSuite:
    """A suite that counts rows, and reads their values in doing so."""
    expectations = [gxe.ExpectColumnValuesToNotBeNull(column=rows.rpartition(" ")[2])]
    return TableSuite(gx.ExpectationSuite(name="counted", expectations=expectations), rows)


def _weighing(weight: int) -> TableSuite:
    suite = gx.ExpectationSuite(name=f"s{weight}", expectations=[gxe.ExpectTableRowCountToEqual(value=1)])
    return TableSuite(suite, "SELECT 1 AS one", weight)
