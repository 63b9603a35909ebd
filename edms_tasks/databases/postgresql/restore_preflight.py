"""Determine what a restore by this role to this server would leave out or be refused for, from the captured schema without rows.

As in a restore, the plan (schema_plan.py) decides. If anything in it could be refused, the schema is also created in a temporary
database; if the role may not create one, the plan alone decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.abandoned_databases import STAGING, fitting, remove_made_for, unique_name
from edms_tasks.databases.postgresql.advisory_locks import advisory_lock
from edms_tasks.databases.postgresql.archive import Entry, read_archive
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.database_creation import (
    exists,
    may_create,
    may_not_create,
    may_not_rename,
    may_rename,
)
from edms_tasks.databases.postgresql.properties import recorded_properties
from edms_tasks.databases.postgresql.schema_plan import FOR_ALL, Plan, plan_restore
from edms_tasks.databases.postgresql.server import ServerCapabilities, read_server
from edms_tasks.databases.postgresql.staging import PostgresStaging
from edms_tasks.databases.postgresql.staging_properties import StagingProperties
from edms_tasks.databases.protocol import CapturedSchema, LeftOut, RestorePreflight
from edms_tasks.errors import EdmsBackupError

_TRIED = "_edms_tried"
# Kinds of objects that the owner of a database can always create and own.
_NEVER_REFUSED = FOR_ALL | {
    "CHECK CONSTRAINT", "COMMENT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "SCHEMA", "SEQUENCE",
    "SEQUENCE OWNED BY", "TABLE", "TABLE ATTACH", "TRIGGER", "VIEW",
}  # fmt: skip
_TRIGGER_FUNCTION = re.compile(rb"CREATE FUNCTION [^\n]+\(\) RETURNS trigger\n    LANGUAGE plpgsql\n    AS ")


def preflight(
    address: DatabaseAddress,
    maintenance: Callable[[], DatabaseAddress],
    schema: CapturedSchema,
    into: str | None,
    *,
    thorough: bool,
) -> RestorePreflight:
    """See `Database.preflight`.

    Args:
        maintenance: returns the address of another database of the server than the live one.
    """
    planned: tuple[LeftOut, ...] = ()
    try:
        maintenance_address = maintenance()
        with connected(maintenance_address) as connection:
            server, allowed = _as_if_new(read_server(connection)), may_create(connection)
            made_beforehand = into is not None and exists(connection, into)
            refused = None if allowed else may_not_create(server.role, address.display)
            if allowed and into is None and not may_rename(connection, address.name):
                refused = may_not_rename(connection, server.role, address.name, address.display)
        if into is not None and made_beforehand:
            with connected(address.renamed(into)) as connection:
                server = read_server(connection)
        plan = plan_restore(read_archive(schema.path), server, server.role, address.display)
        planned = tuple(plan.left_out)
        if made_beforehand:
            return RestorePreflight(planned)
        if refused is not None:
            return RestorePreflight(planned, refused)
        if not thorough and _is_never_refused(plan, schema, server):
            return RestorePreflight(planned)
        return RestorePreflight(_try(address, maintenance_address, schema, into or address.name))
    except EdmsBackupError as error:
        if error.transient:
            return RestorePreflight(planned, untried=f"{error.what} {error.why or ''}".strip())
        return RestorePreflight(planned, error)
    except psycopg.Error as error:
        return RestorePreflight(planned, untried=" ".join(str(error).split()))


def _try(
    address: DatabaseAddress, maintenance: DatabaseAddress, schema: CapturedSchema, final: str
) -> tuple[LeftOut, ...]:
    """Create the schema as a restore does, and drop it; returns what was left out."""
    # Its own lock: a restore at the same time neither waits for it nor mistakes it for the leftover of a killed run.
    tried = fitting(address.name, _TRIED)
    # Without materialised views: the query of one may fail over empty tables only.
    bare = replace(schema, materialized_views=())
    with advisory_lock(maintenance, tried, "work", shared=False, purpose="try a restore"):
        remove_made_for(maintenance, tried, STAGING)
        name = unique_name(tried, STAGING)
        whole = StagingProperties(bare, final, created=True, made_for=tried)
        with connected(maintenance) as connection:
            whole.create(connection, name, address.name)
        staging = PostgresStaging(address.renamed(name), maintenance, bare, 1, whole)
        try:
            staging.create_tables()
            staging.finish((), ())
        finally:
            staging.drop()
    return tuple(staging.left_out)


def _is_never_refused(plan: Plan, schema: CapturedSchema, server: ServerCapabilities) -> bool:
    """Whether nothing in the plan could be refused to this role on the server that the schema comes from."""
    whole = recorded_properties(schema.settings)
    return (
        whole is not None
        and whole.owner == server.role
        and whole.tablespace == "pg_default"
        and not (whole.settings or whole.role_settings or whole.labels)
        and not (plan.left_out or plan.schemas or plan.owners or plan.others or plan.last)
        and all(entry.kind in _NEVER_REFUSED or _is_plain_trigger_function(entry) for entry in plan.archived)
    )


def _is_plain_trigger_function(entry: Entry) -> bool:
    """Whether it is a function of triggers in PL/pgSQL, as audit trails have, without settings or other clauses.

    Any role may create one, and no expression of an index, default or view can call it, so nothing runs it without rows.
    """
    return entry.kind == "FUNCTION" and _TRIGGER_FUNCTION.match(entry.raw("definition")) is not None


def _as_if_new(server: ServerCapabilities) -> ServerCapabilities:
    """The server as seen from a database that was just created from template0."""
    installed = {name: schema for name, schema in server.installed.items() if name == "plpgsql"}
    return replace(server, installed=installed, schemas=frozenset(["public", "pg_catalog", "information_schema"]))
