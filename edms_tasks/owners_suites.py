"""Read the owner's suites: JSON files in a folder, as Great Expectations stores suites, each for one table or query.

This module checks the form of a file and whether its table and columns exist, without Great Expectations. `edms_tasks.validate`
checks the rest.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.errors import UnusableSuite
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.json_text import parsed_json
from edms_tasks.redaction import Redaction

_COLUMNS = ("column", "column_A", "column_B", "column_list")
_EXAMPLE = '"meta": {"table": "documents_document"}'


@dataclass(frozen=True)
class OwnersSuite:
    """A suite of the owner for the rows of a table, or of a query."""

    file: str
    name: str
    expectations: tuple[Mapping[str, Any], ...]
    table: Table | None
    query: str

    @property
    def title(self) -> str:
        """The suite's name and file, together unique."""
        return f"{self.name} ({self.file})"

    def may_show(self, redaction: Redaction) -> bool:
        """Whether results may be shown: it certainly reads no table with a sensitive column."""
        if self.table is None or any("query" in name for one in self.expectations for name in one.get("kwargs", {})):
            return not redaction.is_asked
        return not redaction.hides_any(self.table)


def read_suites(folder: Path | None, tables: Sequence[Table]) -> tuple[list[OwnersSuite], list[UnusableSuite]]:
    """The suites in the folder, and errors for those that cannot be used.

    Args:
        folder: the setting `[validate] suites`; None if it is not set.
        tables: the tables of the database that the suites are for.
    """
    suites: list[OwnersSuite] = []
    problems: list[UnusableSuite] = []
    for file in _files(folder, problems) if folder else ():
        try:
            suites.append(_read(file, tables))
        except UnusableSuite as problem:
            problems.append(problem)
    return suites, problems


def findings_of(problems: Sequence[UnusableSuite]) -> list[Finding]:
    """Findings for a backup and the doctor: a restore would be refused for these suites."""
    return [make_finding("suite-unusable", problem.where, problem.why, fix=problem.fix) for problem in problems]


def columns_of(expectation: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns in an expectation's kwargs."""
    named = [expectation.get(name) for name in _COLUMNS]
    return tuple(str(one) for value in named if value for one in (value if isinstance(value, list) else [value]))


def _files(folder: Path, problems: list[UnusableSuite]) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        problems.append(
            UnusableSuite(
                "The folder of suites cannot be read.",
                where=f"[validate] suites = {folder}",
                why=error.strerror or str(error),
                fix="Create it and put the suites there, or remove the setting.",
            )
        )
        return []
    if not files:
        problems.append(
            UnusableSuite(
                "The folder of suites holds none.",
                where=f"[validate] suites = {folder}",
                why="No file there ends in .json.",
                fix="Put the suites there, or remove the setting.",
            )
        )
    return files


def _read(file: Path, tables: Sequence[Table]) -> OwnersSuite:
    try:
        suite = parsed_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(file, f"It is not readable JSON: {error}", "Export the suite again.") from error
    for wrong in _wrong_shapes(suite):
        raise _unusable(file, wrong, "Write it with json.dumps(suite.to_json_dict()) in Great Expectations 1.x.")
    table, query = _subject(file, suite.get("meta") or {}, tables)
    if table is not None:
        _require_columns(file, suite["expectations"], table)
    return OwnersSuite(file.name, suite["name"], tuple(suite["expectations"]), table, query)


def _wrong_shapes(suite: Any) -> Iterator[str]:
    if not isinstance(suite, dict) or not isinstance(suite.get("name"), str) or not suite["name"]:
        yield "It is not a suite: a suite is an object with a name."
        return
    expectations = suite.get("expectations")
    if not isinstance(expectations, list) or not expectations:
        yield "It has no expectations, and would pass whatever was restored."
        return
    for number, expectation in enumerate(expectations, start=1):
        is_typed = isinstance(expectation, dict) and isinstance(expectation.get("type"), str)
        if not is_typed or not isinstance(expectation.get("kwargs", {}), dict):
            yield f"Expectation {number} has no type, or its kwargs are no object."
        elif "$PARAMETER" in json.dumps(expectation.get("kwargs")):
            yield f"Expectation {number} ({expectation['type']}) has a $PARAMETER, but a restore has no values for parameters."


def _subject(file: Path, meta: Any, tables: Sequence[Table]) -> tuple[Table | None, str]:
    named, query = (meta.get("table"), meta.get("query")) if isinstance(meta, dict) else (None, None)
    if (named is None) == (query is None):
        raise _unusable(file, "Its meta names neither a table nor a query, or both.", f"Write {_EXAMPLE} or a query.")
    if query is not None:
        if not isinstance(query, str) or not re.match(r"SELECT\s", query.lstrip(), re.IGNORECASE):
            raise _unusable(file, "The query in its meta does not begin with SELECT.", "Write it as one SELECT.")
        return None, query
    known = {table.label.lower(): table for table in tables} | {table.id.lower(): table for table in tables}
    table = known.get(str(named).lower())
    if table is None:
        close = difflib.get_close_matches(str(named).lower(), known, n=1, cutoff=0.4)
        raise _unusable(
            file,
            f"There is no model or table {str(named)!r}.",
            f"Did you mean {known[close[0]].id!r}?" if close else f"Correct it: {_EXAMPLE}.",
        )
    return table, ""


def _require_columns(file: Path, expectations: Sequence[Mapping[str, Any]], table: Table) -> None:
    known = {column.name for column in table.columns}
    for expectation in expectations:
        for column in columns_of(expectation.get("kwargs", {})):
            if column not in known:
                raise _unusable(
                    file,
                    f"{expectation['type']} is about the column {column!r}, which {table.id} does not have.",
                    "Correct the column, or the table in the suite's meta.",
                )


def _unusable(file: Path, why: str, fix: str) -> UnusableSuite:
    return UnusableSuite("A suite of expectations cannot be used.", where=str(file), why=why, fix=fix)
