"""The settings of every session of edms-backup, whatever the defaults of role, database, server or environment.

pg_dump sets most of them, for the same reasons (src/bin/pg_dump/pg_dump.c, setup_connection): a value's text must read
back to the same value, no row may be hidden, and nothing may end, block or misread what we send. A setting that the
server does not know is left out. `search_path` is emptied, so that names are written out in full wherever PostgreSQL
prints one; `connection.py` gives it back where functions of the EDMS are evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edms_tasks.quoting import literal

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # The text of values.
        "datestyle": "ISO, YMD",
        "intervalstyle": "postgres",
        "timezone": "UTC",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "quote_all_identifiers": "off",
        # How what we send is read.
        "standard_conforming_strings": "on",
        "backslash_quote": "safe_encoding",
        "array_nulls": "on",
        "transform_null_equals": "off",
        "xmloption": "content",
        "xmlbinary": "base64",
        # An error instead of rows that row security hides.
        "row_security": "off",
        # Nothing ends a session but we.
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "idle_session_timeout": "0",
        "transaction_timeout": "0",
        # A restore writes, and transactions are what we say they are.
        "default_transaction_read_only": "off",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "default_tablespace": "",
        "session_replication_role": "origin",
        # Rows in the order in which they lie; there are several readers already.
        "synchronize_seqscans": "off",
        "max_parallel_workers_per_gather": "0",
    }
)

SEARCH_PATH = "search_path"
OWN_SETTINGS = (SEARCH_PATH, "TimeZone", "DateStyle", "IntervalStyle", "default_text_search_config")
"""What functions of the EDMS may depend on: they expect what its own sessions have (`own_settings.py`)."""

# What pg_dump and pg_restore do not set themselves, or not in all versions. It is sent only where the default is odd:
# a connection pooler may refuse it.
_FOR_PROGRAMS = (
    "intervalstyle",
    "bytea_output",
    "quote_all_identifiers",
    "standard_conforming_strings",
    "backslash_quote",
    "array_nulls",
    "transform_null_equals",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "default_transaction_deferrable",
    "default_tablespace",
)


def _differing(names: tuple[str, ...]) -> str:
    wanted = ", ".join(f"({literal(name)}, {literal(SETTINGS[name])})" for name in names)
    # One that only a superuser may set stays as it is for others: it was a superuser who gave it to the role.
    return f"""
        FROM (VALUES {wanted}) AS w(name, wanted)
        JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = w.name
        WHERE s.setting <> w.wanted AND (
            s.context = 'user' OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
        )
    """


EMPTY_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', '', false)"

SESSION = (
    EMPTY_SEARCH_PATH,  # first: nobody's own operators stand in for PostgreSQL's in what follows
    f"SELECT pg_catalog.count(pg_catalog.set_config(s.name, w.wanted, false)) {_differing(tuple(SETTINGS))}",
)
"""Statements that bring a session there; each returns one row."""

ODD_DEFAULTS = f"SELECT w.name, w.wanted {_differing(_FOR_PROGRAMS)} ORDER BY 1"
"""(name, value) of the settings that a program's session would have otherwise than we want them."""
