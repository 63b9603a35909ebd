"""The custom expectations: counts that the database makes with a finished query, held against counts.

Great Expectations' own build their SQL from names that they format and bind, and put values into their results. These
run the query as it stands and put nothing but counts into a result. Each class says which stock expectation is its
like, and why that one cannot serve.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.compatibility import pydantic
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.validator import ValidationDependencies


class _CountExpectation(BatchExpectation):
    """The query's counts are the expected ones; `counted` names them in the query's order."""

    query: str
    counted: list[str] = pydantic.Field(min_items=1)
    expected: list[int] = pydantic.Field(min_items=1)

    metric_dependencies: ClassVar[tuple[str, ...]] = ("edms_backup.counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "counted", "expected")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)

    _settled: ExpectationConfiguration | None = pydantic.PrivateAttr(default=None)

    @property
    def configuration(self) -> ExpectationConfiguration:
        """What it is made of: the same for as long as one of the questions below takes, made anew outside of them.

        Great Expectations makes it once for every value it looks up in it, thirty times an expectation; that was a
        third of the validation of a small database.
        """
        return self._settled or super().configuration

    def get_validation_dependencies(self, *given: Any, **named: Any) -> ValidationDependencies:
        """Which metrics it needs."""
        with self._settling():
            return super().get_validation_dependencies(*given, **named)

    def metrics_validate(self, *given: Any, **named: Any) -> ExpectationValidationResult:
        """The verdict on its metrics."""
        with self._settling():
            return super().metrics_validate(*given, **named)

    @contextmanager
    def _settling(self) -> Iterator[None]:
        before = self._settled
        self._settled = self.configuration
        try:
            yield
        finally:
            self._settled = before

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        found = metrics["edms_backup.counts"]
        if len(found) != len(self.expected):
            raise ValueError(f"the query gave {len(found)} counts where {len(self.expected)} were expected")
        observed = dict(zip(self.counted, found, strict=True))
        return {"success": found == self.expected, "result": {"observed_value": observed}}


class ExpectTableToHoldRows(_CountExpectation):
    """The table holds as many rows as went in.

    `ExpectTableRowCountToEqual` where the table's name is plain; its SQL takes `%` and `:` in a name for its own.
    """


class ExpectNaturalKeyToBeAsHealthyAsAtTheSource(_CountExpectation):
    """As many rows without a complete natural key, and as many doubled ones, as went in: mostly none.

    `ExpectCompoundColumnsToBeUnique` knows neither keys through references nor NULLs nor a number of doubles that is right,
    compares by collation, takes three times as long on a large table, and shows the keys it finds.
    """


class ExpectRequiredColumnsToBeFilled(_CountExpectation):
    """No column that is declared NOT NULL holds NULL.

    `ExpectColumnValuesToNotBeNull` reads the table once a column, after it asked for all columns' types: six times as long.
    """


class ExpectReferenceToDangleAsAtTheSource(_CountExpectation):
    """A foreign key, one-to-one or half of a many-to-many points at nothing in as many rows as went in: mostly none.

    `UnexpectedRowsExpectation` expects none, runs its query twice and shows the rows.
    """


class ExpectGenericReferenceToDangleAsAtTheSource(_CountExpectation):
    """A content type and object id point at nothing in as many rows as went in: mostly none.

    `UnexpectedRowsExpectation` expects none, runs its query twice and shows the rows.
    """


class _Counts(TableMetricProvider):
    metric_name = "edms_backup.counts"
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
    # SQLAlchemy takes `:name` for a parameter wherever it stands, also within a quoted identifier.
    return sa.text(query.replace(":", "\\:"))
