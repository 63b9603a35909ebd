"""The custom expectations: counts the database makes, and measures of a small pandas summary.

Great Expectations' own count and not-null expectations build their SQL from names that they lower-case, format and
bind; real tables have capitals, percent signs, braces and colons in their names. These run a finished query instead,
compare counts with counts, and put nothing but counts into a result.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
import sqlalchemy as sa
from great_expectations.compatibility import pydantic
from great_expectations.execution_engine import ExecutionEngine, PandasExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider


class _CountExpectation(BatchExpectation):
    """The query's counts are the expected ones; `counted` names them in the query's order."""

    query: str
    counted: list[str] = pydantic.Field(min_items=1)
    expected: list[int] = pydantic.Field(min_items=1)

    metric_dependencies: ClassVar[tuple[str, ...]] = ("edms_backup.counts",)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "counted", "expected")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)

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
    """The table holds as many rows as went in."""


class ExpectNaturalKeyToBeAsHealthyAsAtTheSource(_CountExpectation):
    """As many rows without a complete natural key, and as many doubled ones, as went in: mostly none."""


class ExpectRequiredColumnsToBeFilled(_CountExpectation):
    """No column that is declared NOT NULL holds NULL."""


class ExpectReferenceToDangleAsAtTheSource(_CountExpectation):
    """A foreign key, one-to-one or half of a many-to-many points at nothing in as many rows as went in: mostly none."""


class ExpectGenericReferenceToDangleAsAtTheSource(_CountExpectation):
    """A content type and object id point at nothing in as many rows as went in: mostly none."""


class ExpectMeasureToEqual(BatchExpectation):
    """In the summary's row for `subject` and `measure`, what was found is what was expected, and both are there."""

    subject: str
    measure: str

    metric_dependencies: ClassVar[tuple[str, ...]] = ("edms_backup.measure",)
    success_keys: ClassVar[tuple[str, ...]] = ("subject", "measure")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        expected, found = metrics["edms_backup.measure"]
        return {
            "success": bool(expected) and expected == found,
            "result": {"observed_value": found, "details": {"expected": expected}},
        }


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


class _Measure(TableMetricProvider):
    metric_name = "edms_backup.measure"
    value_keys = ("subject", "measure")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> list[str]:
        summary: pd.DataFrame = execution_engine.get_domain_records(metric_domain_kwargs)
        subject, measure = metric_value_kwargs["subject"], metric_value_kwargs["measure"]
        rows = summary[(summary["subject"] == subject) & (summary["measure"] == measure)]
        if len(rows) != 1:
            raise ValueError(f"the summary has {len(rows)} rows for {measure} of {subject}, not one")
        return [str(rows.iloc[0]["expected"]), str(rows.iloc[0]["found"])]


def _as_it_stands(query: str) -> sa.TextClause:
    # SQLAlchemy takes `:name` for a parameter wherever it stands, also within a quoted identifier.
    return sa.text(query.replace(":", "\\:"))
