"""Determine what a restore would be refused for, by creating the schema without rows in a temporary file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.protocol import CapturedSchema, RestorePreflight
from edms_tasks.databases.sqlite.staging import SqliteStaging, remove_with_companions
from edms_tasks.errors import EdmsBackupError


def preflight(address: DatabaseAddress, schema: CapturedSchema, folder: Path) -> RestorePreflight:
    """See `Database.preflight`."""
    path = folder / "tried.sqlite3"
    try:
        staging = SqliteStaging(address.renamed(str(path)), schema)
        staging.create_tables()
        staging.finish((), ())
        return RestorePreflight(tuple(staging.left_out), needs_the_edms=staging.needs_the_edms())
    except EdmsBackupError as error:
        return RestorePreflight(refused=error)
    except sqlite3.Error as error:
        return RestorePreflight(untried=str(error))
    finally:
        remove_with_companions(path)
