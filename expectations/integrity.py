"""The custom expectations: the counts of a given query must equal the expected counts.

Great Expectations' own expectations build their SQL from names, and put values into their results. These run a query unchanged, and
their results have counts only. Each class names the stock expectation that is closest, and why it cannot be used.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.compatibility import pydantic
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import parse_result_format
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

_COUNTS = "edms_backup.counts"


class _CountExpectation(BatchExpectation):
    """The query's counts equal the expected ones; `counted` has their names in the query's order."""

    query: str
    counted: list[str] = pydantic.Field(min_items=1)
    expected: list[int] = pydantic.Field(min_items=1)

    metric_dependencies: ClassVar[tuple[str, ...]] = (_COUNTS,)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "counted", "expected")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)

    def get_validation_dependencies(
        self, execution_engine: ExecutionEngine[Any] | None = None, runtime_configuration: dict[str, Any] | None = None
    ) -> ValidationDependencies:
        """The metric that it needs: what the base class finds, without building the expectation and its configuration again.

        That class does so for each value that it looks up, which took a third of the validation of a small database.
        """
        wanted = (runtime_configuration or {}).get("result_format", self.result_format)
        counts = MetricConfiguration(_COUNTS, {"batch_id": self.batch_id}, {"query": self.query})
        return ValidationDependencies({_COUNTS: counts}, parse_result_format(wanted))

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        found = metrics[_COUNTS]
        if len(found) != len(self.expected):
            raise ValueError(f"the query gave {len(found)} counts where {len(self.expected)} were expected")
        observed = dict(zip(self.counted, found, strict=True))
        return {"success": found == self.expected, "result": {"observed_value": observed}}


class ExpectTableToHoldRows(_CountExpectation):
    """The table has as many rows as at the backup.

    `ExpectTableRowCountToEqual` is used for tables with a plain name; it cannot quote `%` and `:` in a name.
    """


class ExpectNaturalKeyToBeAsHealthyAsAtTheSource(_CountExpectation):
    """As many rows without a complete natural key, and as many duplicate keys, as at the backup: mostly none.

    `ExpectCompoundColumnsToBeUnique` supports neither keys through references nor NULLs nor an expected number of duplicates,
    compares by collation, takes three times as long on a large table, and shows the keys that it finds.
    """


class ExpectRequiredColumnsToBeFilled(_CountExpectation):
    """No column that is declared NOT NULL contains NULL.

    `ExpectColumnValuesToNotBeNull` reads the table once for each column, after the types of all columns: it takes six times as long.
    """


class ExpectReferenceToDangleAsAtTheSource(_CountExpectation):
    """A foreign key, one-to-one or half of a many-to-many dangles in as many rows as at the backup: mostly none.

    `UnexpectedRowsExpectation` always expects none, runs its query twice, and shows the rows.
    """


class ExpectGenericReferenceToDangleAsAtTheSource(_CountExpectation):
    """A generic reference dangles in as many rows as at the backup: mostly none.

    `UnexpectedRowsExpectation` always expects none, runs its query twice, and shows the rows.
    """


class _Counts(TableMetricProvider):
    metric_name = _COUNTS
    value_keys = ("query",)

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> list[int]:
        row = execution_engine.execute_query(_as_it_stands(metric_value_kwargs["query"])).fetchone()
        assert row is not None  # an aggregate always returns one row
        return [int(count) for count in row]


def _as_it_stands(query: str) -> sa.TextClause:
    # SQLAlchemy reads `:name` as a parameter everywhere, also inside a quoted identifier.
    return sa.text(query.replace(":", "\\:"))
