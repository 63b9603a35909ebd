"""All suites over a restored database, once, in an ephemeral context of Great Expectations.

Each suite is held against a batch directly. A checkpoint would ask of every suite, several times, whether it is stored
as it stands, which took half of the whole validation of a small database; nothing is stored here.

The database's address enters the context as a run-time variable and is never written. Nothing is sent anywhere, no
progress bars, and no connection stays open, since an open one would stop the promotion of the database.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.datasource.fluent.interfaces import TestConnectionError
from sqlalchemy.engine import Engine
from sqlalchemy.event import listen

from edms_tasks.databases.engines import engine_of_url, is_file
from edms_tasks.databases.sqlite.foreign import register_in
from edms_tasks.errors import DatabaseRefused

_ADDRESS = "EDMS_BACKUP_RESTORED_DATABASE"


@dataclass(frozen=True)
class Summary:
    """A suite for a small pandas frame instead of the database."""

    suite: gx.ExpectationSuite
    frame: pd.DataFrame


def evaluate(
    database_url: str, tables: Sequence[gx.ExpectationSuite], summaries: Sequence[Summary], *, jobs: int = 1
) -> tuple[ExpectationSuiteValidationResult, ...]:
    """Evaluate all suites, the tables' on the database and the summaries' on their frames.

    Args:
        database_url: SQLAlchemy URL of the restored database.
        tables: suites of finished queries, those that take longest first.
        summaries: suites for frames.
        jobs: how many connections ask the database at the same time.

    Returns:
        The results of the tables' suites, in their order, and then those of the summaries.

    Raises:
        DatabaseRefused: the restored database cannot be reached.
    """
    results: list[ExpectationSuiteValidationResult] = []
    context = _context(database_url)
    if tables:
        with ExitStack() as open_databases:
            databases = [
                open_databases.enter_context(_database(context, database_url, number))
                for number in range(min(jobs, len(tables)))
            ]
            results += _shared_out(databases, tables)
    frames = context.data_sources.add_pandas("summaries")
    for summary in summaries:
        name = str(summary.suite.name)
        batch = frames.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        results += _validated(batch, [summary.suite], {"dataframe": summary.frame})
    return tuple(results)


def _shared_out(
    databases: Sequence[BatchDefinition[Any]], suites: Sequence[gx.ExpectationSuite]
) -> list[ExpectationSuiteValidationResult]:
    """Each connection takes the next suite when it is done with one; the databases are what takes time, not the suites."""
    results: dict[int, ExpectationSuiteValidationResult] = {}
    waiting = iter(enumerate(suites))
    taking = threading.Lock()

    def work(database: BatchDefinition[Any]) -> None:
        batch = database.get_batch()
        while True:
            with taking:
                taken = next(waiting, None)
            if taken is None:
                return
            results[taken[0]] = batch.validate(taken[1], result_format="BASIC")

    with ThreadPoolExecutor(max_workers=len(databases)) as pool:
        for done in [pool.submit(work, database) for database in databases]:
            done.result()
    return [results[number] for number in range(len(suites))]


def _validated(
    definition: BatchDefinition[Any],
    suites: Sequence[gx.ExpectationSuite],
    batch_parameters: dict[str, Any] | None = None,
) -> list[ExpectationSuiteValidationResult]:
    batch = definition.get_batch(batch_parameters)
    return [batch.validate(suite, result_format="BASIC") for suite in suites]


@contextmanager
def _database(context: EphemeralDataContext, database_url: str, number: int) -> Iterator[BatchDefinition[Any]]:
    """One connection, and one batch for all tables: every expectation brings its own, finished query.

    Great Expectations' table batches lower-case schemas and reflect each table, which would cost more than counting it.
    """
    in_a_file = is_file(engine_of_url(database_url))
    add = context.data_sources.add_sqlite if in_a_file else context.data_sources.add_postgres
    source: SQLDatasource | None = None
    try:
        source = add(f"restored database {number}", connection_string=f"${{{_ADDRESS}}}")
        if in_a_file:
            _know_the_names(source.get_execution_engine().engine)
        yield source.add_query_asset("all tables", query="SELECT 1 AS one").add_batch_definition_whole_table("all")
    except TestConnectionError as error:
        raise DatabaseRefused(
            "The restored database cannot be reached for validation.",
            why=type(error.__cause__ or error).__name__,
            fix="Check that the database server is running, then restore again; the live system was not touched.",
        ) from None  # the cause's text may hold the address
    finally:
        if source is not None:
            source.get_execution_engine().close()
            source.get_engine().dispose()


def _know_the_names(engine: Engine) -> None:
    """Let all connections of an SQLite engine know functions and collations that only the EDMS's own know."""
    listen(engine, "connect", lambda raw, _record: register_in(raw))
    opened = engine.raw_connection()  # one may be in the pool already
    try:
        raw: Any = opened.dbapi_connection
        register_in(raw)
    finally:
        opened.close()


def _context(database_url: str) -> EphemeralDataContext:
    context = EphemeralDataContext(
        DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
        runtime_environment={_ADDRESS: database_url.replace("$", "\\$")},
    )
    context.enable_analytics(False)
    # A new suite asks the process's current project where it belongs.
    gx.data_context.data_context.context_factory.set_context(context)
    return context
