"""Turn the owner's suites into Great Expectations' objects. An unknown expectation is an error."""

from __future__ import annotations

import great_expectations as gx
from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from edms_tasks.errors import UnusableSuite
from edms_tasks.owners_suites import OwnersSuite
from expectations.checkpoint import TableSuite
from expectations.suites import has_plain_name, rows_of

_KEPT = ("type", "kwargs", "meta", "notes", "description", "severity")


def owners_suite(suite: OwnersSuite) -> TableSuite:
    """The suite for the checkpoint.

    Raises:
        UnusableSuite: Great Expectations does not have an expectation, or not with these kwargs, or it cannot read the table.
    """
    if suite.table is not None and not has_plain_name(suite.table):
        raise UnusableSuite(
            "A suite of expectations cannot be used.",
            where=suite.file,
            why=f"Great Expectations cannot read a table of this name: {suite.table.id}",
            fix='Name a query on a view of it instead: "meta": {"query": "SELECT …"}.',
        )
    # Great Expectations would leave out an unknown expectation, with a line in its log only.
    expectations = [_expectation(suite, number) for number in range(len(suite.expectations))]
    return TableSuite(
        gx.ExpectationSuite(
            name=suite.title, expectations=expectations, meta={"subject": suite.title, "file": suite.file}
        ),
        rows=rows_of(suite.table) if suite.table is not None else suite.query,
        weight=1_000_000 * len(expectations),
    )


def _expectation(suite: OwnersSuite, number: int) -> Expectation:
    stored = suite.expectations[number]
    configuration = {"kwargs": {}} | {key: stored[key] for key in _KEPT if stored.get(key) is not None}
    try:
        return ExpectationConfiguration(**configuration).to_domain_obj()
    except (GreatExpectationsError, ValidationError, TypeError, ValueError) as error:
        raise UnusableSuite(
            "A suite of expectations cannot be used.",
            where=suite.file,
            why=f"Expectation {number + 1}, {stored['type']}: {' '.join(str(error).split())}",
            fix="Use an expectation of Great Expectations' own, with the kwargs of its documentation.",
        ) from error
