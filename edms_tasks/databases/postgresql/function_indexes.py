"""Build indexes over functions of the EDMS, and exclusion constraints, one by one, because one that exists in the source may fail.

The function may name something that does not exist any more or is not in the known search path, refuse a row, or return equal
results for two rows; the source calls it for new rows only. An index that cannot be built is left out and reported. The rows are
restored without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.archive import Archive, Entry, numbers
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.refusable_statements import evaluate, take_settings
from edms_tasks.databases.postgresql.schema_plan import subject
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.errors import TerminalError
from edms_tasks.quoting import literal

# Kinds through which an index may call a function indirectly.
_CALLING = {"AGGREGATE", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY"}
_FOLLOWING = {"COMMENT", "INDEX ATTACH"}


def over_own_functions(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The indexes that call functions of the archive with exclusion constraints, and their comments and attachments."""
    calling = {entry.number for entry in entries if entry.kind == "FUNCTION"}
    for _ in _CALLING:  # a class needs an operator, which needs a function
        calling |= {entry.number for entry in entries if entry.kind in _CALLING and calling & {*entry.needs}}
    indexes = [one for one in entries if (one.kind == "INDEX" and calling & {*one.needs}) or _excludes(one)]
    made = numbers(indexes)
    return indexes, [entry for entry in entries if entry.kind in _FOLLOWING and made & {*entry.needs}]


def build(
    address: DatabaseAddress, archive: Archive, entries: Iterable[Entry], settings: Mapping[str, str], jobs: int
) -> list[LeftOut]:
    """Build the indexes, `jobs` at a time, in sessions with these settings; returns those that could not be built.

    Raises:
        TerminalError: the connection, the disk or the server failed.
    """
    waiting = list(entries)[::-1]
    left_out: list[LeftOut] = []

    def work() -> None:
        with connected(address) as connection:
            connection.execute(archive.statement_of("STDSTRINGS"))
            connection.execute(archive.statement_of("ENCODING"))
            take_settings(connection, settings, for_transaction=False)
            while waiting:
                try:
                    entry = waiting.pop()
                except IndexError:  # another thread took the last one
                    return
                try:
                    why = evaluate(connection, _in_its_tablespace(entry))
                except psycopg.Error as error:
                    raise _failed(address, entry, error) from error
                if why is not None:
                    statement = entry.text("definition").strip().removesuffix(";")
                    left_out.append(LeftOut(subject(entry), f"the server cannot build it ({why})", statement))

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for done in [pool.submit(work) for _ in range(min(jobs, len(waiting)))]:
            done.result()
    return left_out


def _excludes(entry: Entry) -> bool:
    """Whether it is an exclusion constraint; pg_dump does not record which functions a constraint calls."""
    return entry.kind == "CONSTRAINT" and b" EXCLUDE " in entry.raw("definition")


def _in_its_tablespace(entry: Entry) -> bytes:
    space = f"SELECT pg_catalog.set_config('default_tablespace', {literal(entry.text('tablespace'))}, true);\n"
    return space.encode("utf-8", "surrogateescape") + entry.raw("definition")


def _failed(address: DatabaseAddress, entry: Entry, error: psycopg.Error) -> TerminalError:
    return TerminalError(
        f"The server could not build {entry.name}.",
        where=address.display,
        why=str(error).strip()[:1000],
        fix="The live system is untouched. Correct at the source what the message names, make a new backup, and restore that.",
    )
