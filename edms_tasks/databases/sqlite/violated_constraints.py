"""Find rows in an SQLite file that do not satisfy its own definitions: SQLite keeps them once they are written.

A CHECK may have been switched off (`PRAGMA ignore_check_constraints`), or its functions answered otherwise in the library that wrote
the row (`json_valid`, `LIKE`). NOT NULL and types can only be wrong after the definition itself was edited.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.quoting import literal

_CHECK = "CHECK constraint failed in "
_MOST = 100  # lines that SQLite gives of one table
_OF_A_ROW = (" value in ", " value missing from ")
# Only the EDMS's own connections have these; `needs-the-edms` names their tables.
_UNKNOWN = ("no such ", "unknown function")


@dataclass(frozen=True)
class UnmetCheck:
    """A table with rows that do not satisfy a CHECK, at most 100 of them counted; or `why` that cannot be evaluated."""

    table: str
    rows: int
    why: str = ""


def read_violated_constraints(path: Path) -> Iterator[Finding]:
    """A finding for each table that has rows beside its CHECKs, for rows that a restore would be refused for, and for damage.

    Reads all tables, not their indexes, and tables with a CHECK a second time. `path` is written to by nobody else.
    """
    # Not read-only: SQLite reads no CHECK of such a file.
    with closing(sqlite3.connect(path)) as connection:
        for problem, count in sorted(Counter(_problems_beside_checks(connection)).items()):
            if any(mark in problem for mark in _OF_A_ROW):
                yield make_finding(
                    "once-true",
                    problem,
                    "Rows do not satisfy the table's definition, which was edited after they were written. A restore would be refused.",
                    severity="error",
                    count=count,
                )
            else:
                yield make_finding(
                    "database-damaged", "database", f"SQLite finds the file damaged: {problem[:300]}", count=count
                )
        for unmet in unmet_checks(connection):
            if unmet.why:
                message = f"A CHECK of the table cannot be evaluated for some row: {unmet.why}."
            else:
                more = " or more" if unmet.rows >= _MOST else ""
                message = f"{unmet.rows}{more} rows do not satisfy a CHECK of the table."
            yield make_finding(
                "once-true",
                unmet.table,
                f"{message} A restore keeps rows and definition as they are.",
                severity="warning",
                count=max(unmet.rows, 1),
            )


def unmet_checks(connection: sqlite3.Connection) -> Iterator[UnmetCheck]:
    """The tables whose rows do not all satisfy their CHECKs. Each is asked alone: one that cannot be evaluated hides no other."""
    connection.execute("PRAGMA ignore_check_constraints = OFF")
    for name in _tables(connection, "AND sql LIKE '%CHECK%'"):
        try:
            lines = connection.execute(f"PRAGMA quick_check({literal(name)})").fetchall()
        except sqlite3.OperationalError as error:
            if not any(mark in str(error) for mark in _UNKNOWN):
                yield UnmetCheck(name, 0, str(error))
            continue
        except sqlite3.DatabaseError:
            continue  # damage, which is looked for in the whole file
        if rows := sum(str(line).startswith(_CHECK) for (line,) in lines):
            yield UnmetCheck(name, rows)


def _problems_beside_checks(connection: sqlite3.Connection) -> list[str]:
    """What SQLite says of the file; table by table if a generated column of one needs a function that only the EDMS has."""
    connection.execute("PRAGMA ignore_check_constraints = ON")
    try:
        return _problems(connection, "1000")
    except sqlite3.OperationalError:
        found = []
        for name in _tables(connection):
            try:
                found += _problems(connection, literal(name))
            except sqlite3.OperationalError as error:
                if not any(mark in str(error) for mark in _UNKNOWN):
                    found.append(str(error))
        return found


def _problems(connection: sqlite3.Connection, argument: str) -> list[str]:
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({argument})")]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def _tables(connection: sqlite3.Connection, condition: str = "") -> list[str]:
    return [
        row[0]
        for row in connection.execute(
            f"SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' {condition} ORDER BY name"
        )
    ]
