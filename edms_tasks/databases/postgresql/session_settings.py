"""The settings of every session of edms-backup, whatever the defaults of role, database, server or environment.

pg_dump sets most of them, for the same reasons (src/bin/pg_dump/pg_dump.c, setup_connection): a value's text must read back as
the same value, no row may be hidden, and no default may end a session or change the meaning of our statements. A setting that the
server does not have is left out. `search_path` is emptied, so that PostgreSQL writes all names with their schemas;
`connection.py` keeps it if functions of the EDMS are evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edms_tasks.quoting import literal

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # The format of values as text.
        "datestyle": "ISO, YMD",
        "intervalstyle": "postgres",
        "timezone": "UTC",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "quote_all_identifiers": "off",
        # How the server parses our statements.
        "standard_conforming_strings": "on",
        "backslash_quote": "safe_encoding",
        "array_nulls": "on",
        "transform_null_equals": "off",
        "xmloption": "content",
        "xmlbinary": "base64",
        # An error instead of hidden rows.
        "row_security": "off",
        # No time-out ends a session.
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "idle_session_timeout": "0",
        "transaction_timeout": "0",
        # A restore writes, and chooses its own isolation levels.
        "default_transaction_read_only": "off",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "default_tablespace": "",
        "session_replication_role": "origin",
        # Rows in their physical order; we use several readers ourselves.
        "synchronize_seqscans": "off",
        "max_parallel_workers_per_gather": "0",
    }
)

SEARCH_PATH = "search_path"
OWN_SETTINGS = (SEARCH_PATH, "TimeZone", "DateStyle", "IntervalStyle", "default_text_search_config")
"""The settings that functions of the EDMS may depend on (`edms_session_settings.py`)."""

# Settings that pg_dump and pg_restore do not set themselves, or not in all versions. They are sent only if a default differs,
# because a connection pooler may refuse them.
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
    # Settings that only a superuser may change are left as they are for other roles.
    return f"""
        FROM (VALUES {wanted}) AS w(name, wanted)
        JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = w.name
        WHERE s.setting <> w.wanted AND (
            s.context = 'user' OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
        )
    """


EMPTY_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', '', false)"

SESSION = (
    EMPTY_SEARCH_PATH,  # first, so that nobody's operators replace PostgreSQL's in the next statement
    f"SELECT pg_catalog.count(pg_catalog.set_config(s.name, w.wanted, false)) {_differing(tuple(SETTINGS))}",
)
"""The statements that apply SETTINGS to a session; each returns one row."""

ODD_DEFAULTS = f"SELECT w.name, w.wanted {_differing(_FOR_PROGRAMS)} ORDER BY 1"
"""A query for (name, wanted value) of the settings that a program's session would have with other values."""
