"""Load one table of a staging database: emptied and filled in one transaction, so that it can be done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg.errors import DiskFull, InsufficientPrivilege

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.extension_tables import empty_extension_table, note_on_unwritable_table
from edms_tasks.databases.postgresql.generated_columns import GeneratedTables
from edms_tasks.databases.postgresql.loading import copy_table
from edms_tasks.databases.postgresql.loading_sessions import LoadingSessions
from edms_tasks.databases.postgresql.refusable_statements import take_settings
from edms_tasks.errors import NoSpace, TerminalError
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier


class UnwritableTable(Exception):
    """The table belongs to an extension, and this role may not write to it; `note` says so."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


def load_table(
    sessions: LoadingSessions,
    as_written: GeneratedTables,
    settings: Mapping[str, str],
    entry: TableEntry,
    chunks: Sequence[Path],
    address: DatabaseAddress,
) -> int:
    """COPY a table's chunks, in a transaction that truncates it first, so that the rows are frozen; returns their number.

    Args:
        sessions: sessions of the staging database.
        as_written: its tables whose generated columns come as they were.
        settings: the settings of the EDMS's sessions.
        entry: the table in the snapshot.
        chunks: its rows.
        address: the staging database, for errors.

    Raises:
        TerminalError: the server refuses rows.
        NoSpace: its disk is full.
        UnwritableTable: nothing was written.
    """
    table = entry.table
    name = identifier(table.schema_name, table.name)
    of_an_extension = table.extension is not None
    if not table.stored_columns or not (chunks or of_an_extension):
        return 0
    with sessions.one() as connection:
        try:
            if of_an_extension:
                empty_extension_table(connection, name)
            else:
                # FREEZE needs a table created or truncated in the same transaction. No foreign key refers to it yet.
                connection.execute(f"TRUNCATE ONLY {name}".encode())
            # Checks and generated columns need these, and so do values such as a regclass that were read with this path.
            take_settings(connection, settings, for_transaction=False)
            with as_written.loading(connection, entry) as target, connection.cursor() as cursor:
                frozen = target.is_itself and not of_an_extension
                loaded = copy_table(cursor, target.columns, target.name, entry.encodings, chunks, frozen=frozen)
            connection.commit()
        except psycopg.Error as error:
            if of_an_extension and isinstance(error, InsufficientPrivilege):
                connection.rollback()
                raise UnwritableTable(note_on_unwritable_table(connection, entry, address.display)) from error
            if isinstance(error, DiskFull):
                raise NoSpace(
                    f"The server's disk is full: rows of {table.label} found no room.",
                    where=f"{address.display}, table {table.id}",
                    why=error.diag.message_primary or str(error).strip(),
                    fix="The live system is untouched. A restore needs room for a second database on the server until it is promoted, and "
                    "for its write-ahead log. Free some (`edms-backup forget` drops what earlier restores set aside), and run it again.",
                ) from error
            raise TerminalError(
                f"PostgreSQL refused rows of {table.label}.",
                where=f"{address.display}, table {table.id}",
                why=error.diag.message_primary or str(error).strip()[:1000],  # what else it says quotes the row
                fix="The live system is untouched. Run `edms-backup verify` on the snapshot; if it passes, report this error.",
            ) from error
    return loaded
