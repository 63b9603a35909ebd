"""The ephemeral context of one validation, with the restored database as data source and a query asset for each table.

The database's address is a run-time variable of the context and is never written. Nothing is sent anywhere, no result is stored, no
progress bars are shown, and no connection stays open, because an open one would prevent the promotion.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import great_expectations as gx
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.config_provider import (
    _ConfigurationProvider,
    _RuntimeEnvironmentConfigurationProvider,
)
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.store.validation_results_store import ValidationResultsStore
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent import PostgresDatasource, SQLDatasource, SqliteDatasource
from great_expectations.datasource.fluent.interfaces import TestConnectionError
from great_expectations.datasource.fluent.sql_datasource import QueryAsset
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError

from edms_tasks.databases.engines import engine_of_url, is_file
from edms_tasks.databases.sqlite.application_functions import register_in
from edms_tasks.errors import DatabaseRefused

_ADDRESS = "EDMS_BACKUP_RESTORED_DATABASE"
# Its log has tracebacks, which quote values and addresses. The results contain every failure.
_logger = logging.getLogger("great_expectations")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False


class DiscardingResultsStore(ValidationResultsStore):
    """A store that drops results: we write them as Data Docs, and a copy as JSON in memory would take a third of the time."""

    def store_validation_results(self, *_what: Any, **_how: Any) -> bool:
        """Store nothing."""
        return True


class TransientContext(EphemeralDataContext):
    """It is gone after the run: its configuration need not be written as YAML into memory with each data source."""

    def _save_project_config(self) -> None:
        pass

    def _register_providers(self, config_provider: _ConfigurationProvider) -> None:
        # No variable of the environment is meant in our configuration, and looking through them took a twentieth of a restore.
        config_provider.register_provider(_RuntimeEnvironmentConfigurationProvider(self.runtime_environment))


def ephemeral_context(database_url: str) -> EphemeralDataContext:
    """A context that knows the restored database's address and stores nothing."""
    context = TransientContext(
        DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
        runtime_environment={_ADDRESS: database_url.replace("$", "\\$")},
    )
    context.enable_analytics(False)
    context.stores[str(context.validation_results_store_name)] = DiscardingResultsStore()
    # A new suite needs the process's current context.
    gx.data_context.data_context.context_factory.set_context(context)
    return context


@contextmanager
def connected(
    context: EphemeralDataContext, database_url: str, number: int, selects: Mapping[str, str]
) -> Iterator[SQLDatasource]:
    """A read-only connection to the restored database, with a query asset for each name in `selects`.

    All assets are created with the data source: added one by one, each would write the whole configuration again.

    Raises:
        DatabaseRefused: the database cannot be reached, or the connection was lost. Great Expectations would report the checks that
            it could not run as failed.
    """
    assets = [
        QueryAsset(name=name, query=query, batch_definitions=[BatchDefinition(name="all", partitioner=None)])
        for name, query in selects.items()
    ]
    configuration: dict[str, Any] = {
        "name": f"restored database {number}",
        "connection_string": f"${{{_ADDRESS}}}",
        "assets": assets,
    }
    in_a_file = is_file(engine_of_url(database_url))
    source: SQLDatasource | None = None
    lost: list[BaseException] = []
    try:
        if in_a_file:
            source = context.data_sources.add_sqlite(SqliteDatasource(**configuration))
            _prepare_sqlite(source.get_execution_engine().engine)
        else:
            source = context.data_sources.add_postgres(PostgresDatasource(**configuration))
            engine = source.get_execution_engine().engine
            engine.update_execution_options(postgresql_readonly=True)
            listen(engine, "handle_error", lambda context: lost.extend(_lost_connection(context)))
        yield source
    except TestConnectionError as error:
        raise _unreachable(error.__cause__ or error) from None  # the cause's text may contain the address
    finally:
        if source is not None:
            source.get_execution_engine().close()
            source.get_engine().dispose()
    if lost:
        raise _unreachable(lost[0]) from None


def frame_of(context: EphemeralDataContext, name: str) -> BatchDefinition[Any]:
    """The batch definition for a pandas frame; the frame is passed in when it is validated."""
    frames = context.data_sources.add_pandas(name)
    return frames.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")


def _unreachable(error: BaseException) -> DatabaseRefused:
    return DatabaseRefused(
        "The restored database cannot be reached for validation.",
        why=type(error).__name__,
        fix="Check that the database server is running, then restore again; the live system was not touched.",
    )


def _lost_connection(context: ExceptionContext) -> Iterator[BaseException]:
    """Yield the error if the connection was lost or could not be opened; nothing for any other error."""
    not_made = context.connection is None and isinstance(context.sqlalchemy_exception, OperationalError)
    if context.is_disconnect or not_made:
        yield context.original_exception


def _prepare_sqlite(engine: Engine) -> None:
    """Make all connections of an SQLite engine read-only, and give them placeholders for the EDMS's functions and collations."""

    def prepare(raw: Any) -> None:
        register_in(raw)
        raw.execute("PRAGMA query_only = ON")

    listen(engine, "connect", lambda raw, _record: prepare(raw))
    opened = engine.raw_connection()  # the pool may have a connection already
    try:
        prepare(opened.dbapi_connection)
    finally:
        opened.close()
