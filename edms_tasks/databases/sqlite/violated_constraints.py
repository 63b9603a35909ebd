"""Find rows in an SQLite file that do not satisfy its own definitions: SQLite keeps them once they are written.

A CHECK may have been switched off (`PRAGMA ignore_check_constraints`), or its functions answered otherwise in the library that wrote
the row (`json_valid`, `LIKE`). NOT NULL and types can only be wrong after the definition itself was edited.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_CHECK = "CHECK constraint failed in "
_MOST = 1_000
_OF_A_ROW = (" value in ", " value missing from ")


def read_violated_constraints(path: Path) -> Iterator[Finding]:
    """A finding for each table with rows that do not satisfy a CHECK, and one for each other problem, of which a restore would be refused.

    Reads all tables, not their indexes. Conditions with functions or collations that only the EDMS has are not evaluated.
    """
    for problem, count in sorted(Counter(_problems(path)).items()):
        if problem.startswith(_CHECK):
            yield make_finding(
                "once-true",
                problem.removeprefix(_CHECK),
                "Rows do not satisfy a CHECK of the table. A restore keeps rows and definition as they are.",
                severity="warning",
                count=count,
            )
        elif any(mark in problem for mark in _OF_A_ROW):
            yield make_finding(
                "once-true",
                problem,
                "Rows do not satisfy the definition of the table, which was edited after they were written. A restore would be refused.",
                severity="error",
                count=count,
            )
        else:
            yield make_finding(
                "database-damaged", "database", f"SQLite finds the file damaged: {problem[:300]}", count=count
            )


def split_checks(problems: list[str]) -> tuple[list[str], list[str]]:
    """What an integrity check says: the tables with rows that do not satisfy a CHECK, and everything else."""
    tables = sorted({one.removeprefix(_CHECK) for one in problems if one.startswith(_CHECK)})
    return tables, [one for one in problems if not one.startswith(_CHECK)]


def _problems(path: Path) -> list[str]:
    # Not read-only: SQLite reads no CHECK of such a file. The view is of a copy.
    with closing(sqlite3.connect(path)) as connection:
        for checks in ("OFF", "ON"):
            connection.execute(f"PRAGMA ignore_check_constraints = {checks}")
            try:
                found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_MOST})")]
            except sqlite3.OperationalError as error:
                if not any(mark in str(error) for mark in ("no such ", "unknown function")):
                    raise
            except sqlite3.DatabaseError as error:
                return [str(error)]
            else:
                return [] if found == ["ok"] else found
    return []
