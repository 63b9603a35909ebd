"""The checkpoint of a restore: a validation definition for each suite; all run once, in parallel.

Before it runs a suite or validation definition, Great Expectations checks several times whether its stored form is current. That
took longer than the validation of a small database. Ours are never stored, so the two classes below skip this check. Everything
else is Great Expectations' own (`docs/decisions/023-one-checkpoint.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.core.freshness_diagnostics import (
    CheckpointFreshnessDiagnostics,
    ValidationDefinitionFreshnessDiagnostics,
)
from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

from expectations.context import connected, ephemeral_context, frame_of

Results = dict[ValidationResultIdentifier, ExpectationSuiteValidationResult]


@dataclass(frozen=True)
class TableSuite:
    """A suite for rows of the restored database."""

    suite: gx.ExpectationSuite
    rows: str  # the SELECT of the rows for Great Expectations' own expectations
    weight: int = 1  # how long it takes, relative to the others


@dataclass(frozen=True)
class Summary:
    """A suite for a small pandas frame instead of the database."""

    suite: gx.ExpectationSuite
    frame: pd.DataFrame


class RestoredPart(gx.ValidationDefinition):
    """A suite with the restored table or summary that it validates, for one run."""

    frame: Any = None  # the pandas frame of a summary
    result_format: Any = "BASIC"

    def is_fresh(self) -> ValidationDefinitionFreshnessDiagnostics:
        """Always fresh, because it is never stored."""
        return ValidationDefinitionFreshnessDiagnostics(errors=[])

    def run(self, **given: Any) -> ExpectationSuiteValidationResult:
        """Validate the suite's own table or summary, in its own result format."""
        parameters = {} if self.frame is None else {"dataframe": self.frame}
        return super().run(**given | {"batch_parameters": parameters, "result_format": self.result_format})


class RestoreCheckpoint(gx.Checkpoint):
    """All validation definitions of a restore; those of different connections run at the same time."""

    def is_fresh(self) -> CheckpointFreshnessDiagnostics:
        """Always fresh, because it is never stored."""
        return CheckpointFreshnessDiagnostics(errors=[])

    def _run_validation_definitions(self, *given: Any, **named: Any) -> Results:
        lanes: dict[str, list[gx.ValidationDefinition]] = {}
        for definition in self.validation_definitions:
            lanes.setdefault(definition.data_source.name, []).append(definition)
        checkpoints = [gx.Checkpoint(name=name, validation_definitions=lane) for name, lane in lanes.items()]
        results: Results = {}
        with ThreadPoolExecutor(max_workers=len(checkpoints)) as pool:
            running = [
                pool.submit(checkpoint._run_validation_definitions, *given, **named) for checkpoint in checkpoints
            ]
            for done in running:
                results |= done.result()
        return results


def run_checkpoint(
    database_url: str, parts: Sequence[TableSuite | Summary], *, jobs: int = 1
) -> tuple[ExpectationSuiteValidationResult, ...]:
    """Run all suites once: those for tables on the database, the summaries' on their frames.

    Args:
        database_url: SQLAlchemy URL of the restored database.
        parts: the suites; their names differ.
        jobs: the number of parallel connections to the database.

    Returns:
        The results, in the order of the suites.

    Raises:
        DatabaseRefused: the restored database cannot be reached.
    """
    context = ephemeral_context(database_url)
    definitions: list[gx.ValidationDefinition] = []
    tables = [part for part in parts if isinstance(part, TableSuite)]
    with ExitStack() as open_connections:
        for number, share in enumerate(distributed(tables, jobs), start=1):
            selects = {str(table.suite.name): table.rows for table in share}
            source = open_connections.enter_context(connected(context, database_url, number, selects))
            for table in share:
                name = str(table.suite.name)
                rows = source.get_asset(name).get_batch_definition("all")
                definitions.append(RestoredPart(name=name, data=rows, suite=table.suite))
        for summary in (part for part in parts if isinstance(part, Summary)):
            name = str(summary.suite.name)
            definitions.append(
                RestoredPart(
                    name=name,
                    data=frame_of(context, name),
                    suite=summary.suite,
                    frame=summary.frame,
                    result_format="COMPLETE",  # which lines differ, and in what
                )
            )
        found = RestoreCheckpoint(name="restore", validation_definitions=definitions).run().run_results
    results = {result.suite_name: result for result in found.values()}
    if len(results) != len(parts):
        raise ValueError("two suites have the same name, so one would be taken for the other")
    return tuple(results[str(part.suite.name)] for part in parts)


def distributed(tables: Sequence[TableSuite], jobs: int) -> list[list[TableSuite]]:
    """Distribute the suites to connections: heaviest first, each to the connection with the least work."""
    shares: list[list[TableSuite]] = [[] for _ in range(min(jobs, len(tables)))]
    loads = [0] * len(shares)
    for table in sorted(tables, key=lambda table: -table.weight):
        least = loads.index(min(loads))
        shares[least].append(table)
        loads[least] += table.weight
    return shares
