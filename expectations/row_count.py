"""Great Expectations' own count of rows, under its own name, in half of the time."""

from __future__ import annotations

from typing import Any

import great_expectations.expectations as gxe
from great_expectations.execution_engine import ExecutionEngine
from great_expectations.expectations.expectation_configuration import parse_result_format
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

_ROW_COUNT = "table.row_count"


class ExpectTableRowCountToEqual(gxe.ExpectTableRowCountToEqual):
    """The table has as many rows as at the backup.

    A stored suite names Great Expectations' class, and needs nothing of ours. This one takes its place while we validate.
    """

    def get_validation_dependencies(
        self, execution_engine: ExecutionEngine[Any] | None = None, runtime_configuration: dict[str, Any] | None = None
    ) -> ValidationDependencies:
        """The metric that it needs: what the base class finds by building the expectation again for each value that it looks up.

        With a condition on the rows, as an owner's suite may have, the base class finds it.
        """
        if self.row_condition is not None or self.condition_parser is not None:
            return super().get_validation_dependencies(execution_engine, runtime_configuration)
        wanted = (runtime_configuration or {}).get("result_format", self.result_format)
        counted = MetricConfiguration(_ROW_COUNT, {"batch_id": self.batch_id}, {})
        return ValidationDependencies({_ROW_COUNT: counted}, parse_result_format(wanted))
