"""Read a plain SQL dump once without running anything: what it holds, what would be left out, what is refused, whether it is whole."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from edms_tasks.databases.postgresql.dump_script import DumpScript, PsqlCommand, ReadableStream, Statement
from edms_tasks.databases.postgresql.dump_statements import (
    Verdict,
    created_table,
    database_of,
    extension_of,
    filled_table,
    inserted_rows,
    is_partitioned,
    judge,
    judge_command,
    name_of_code,
    owner_of,
    unquoted,
)

_VERSION = re.compile(rb"Dumped (from database|by pg_dump|by pg_dumpall) version ([0-9][^\s]*)")
_DATABASE = re.compile(rb'Database "(.*)" dump$')
_COMPLETE = (b"PostgreSQL database dump complete", b"PostgreSQL database cluster dump complete")
_BEGINS = (b"PostgreSQL database dump", b"PostgreSQL database cluster dump")
_SEARCH_PATH = re.compile(rb"(?:SET\s+search_path\s*(?:=|TO)\s*|SELECT.*?'search_path',\s*')([^',]+)", re.IGNORECASE)
_ENCODING = re.compile(rb"SET\s+client_encoding\s*(?:=|TO)\s*'?([\w-]+)'?", re.IGNORECASE)
# In these, a byte of a character may look like a quotation mark or a backslash, so statements cannot be told apart.
_UNSAFE = frozenset(["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"])
_NAMED = 5


@dataclass
class DatabaseInDump:
    """What the dump holds of one database."""

    rows: dict[str, int] = field(default_factory=dict)  # table -> rows; tables without rows have 0
    tables: set[str] = field(default_factory=set)  # those that are created
    extensions: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)
    code: list[str] = field(default_factory=list)  # functions, triggers, rules and policies
    left_out: dict[str, list[str]] = field(default_factory=dict)  # kind of statement -> beginnings
    without_end: list[str] = field(default_factory=list)  # tables whose rows end without their mark
    is_of_copies: bool = False  # rows stand in COPY, which a table without rows has as well
    partitioned: set[str] = field(default_factory=set)  # tables without rows of their own

    @property
    def is_empty(self) -> bool:
        """Whether it has neither a table nor a row."""
        return not self.tables and not self.rows

    @property
    def without_rows(self) -> list[str]:
        """The tables of which the dump says nothing, not even that they have no rows."""
        return sorted(self.tables - self.partitioned - self.rows.keys())


@dataclass
class DumpSurvey:
    """What a plain SQL dump holds."""

    databases: dict[str, DatabaseInDump] = field(default_factory=dict)  # "": before any \\connect
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # line, kind, beginning
    versions: dict[str, str] = field(default_factory=dict)  # "server", "pg_dump"
    is_dump: bool = False  # it begins with pg_dump's comment
    is_complete: bool = False  # it ends with pg_dump's comment
    cut_in: str = ""  # the table, or the statement, in which it ends
    encoding: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The databases with tables or rows."""
        return tuple(name for name, held in self.databases.items() if not held.is_empty)


def survey_dump(stream: ReadableStream) -> DumpSurvey:
    """Read the whole dump. Raises what the stream raises where it is damaged, and CheckFailed for a statement without an end."""
    script, survey = DumpScript(stream), DumpSurvey()
    tracker = TableNames()
    here = survey.databases.setdefault("", DatabaseInDump())
    for part in script:
        if isinstance(part, PsqlCommand):
            verdict = judge_command(part)
            if (name := database_of(part)) is not None:
                here = survey.databases.setdefault(name, DatabaseInDump())
                tracker = TableNames()
            elif verdict.fate == "refuse":
                survey.refused.append((part.line, verdict.kind, verdict.name))
            continue
        _note(survey, here, part, tracker, script)
    _read_comments(survey, script.comments)
    return survey


class TableNames:
    """Names of tables as the catalogue has them: older dumps write them without their schema, which the search path gives."""

    def __init__(self) -> None:
        self._schema = "public"

    def note(self, text: bytes) -> None:
        """Note a statement that sets the search path."""
        if found := _SEARCH_PATH.match(text):
            self._schema = unquoted(found[1]) or "public"

    def full(self, name: bytes) -> str:
        """The name with its schema, unquoted."""
        parts = re.findall(rb'"(?:[^"]|"")+"|[^."\s]+', name)
        schema = self._schema if len(parts) == 1 else unquoted(parts[0])
        return f"{schema}.{unquoted(parts[-1])}"


def _note(survey: DumpSurvey, here: DatabaseInDump, one: Statement, names: TableNames, script: DumpScript) -> None:
    text = one.text
    verdict: Verdict = judge(one)
    names.note(text)
    if found := _ENCODING.match(text):
        survey.encoding = found[1].decode().upper()
        if survey.encoding in _UNSAFE:
            survey.refused.append((one.line, "an encoding in which statements cannot be told apart", survey.encoding))
    if verdict.fate == "refuse":
        survey.refused.append((one.line, verdict.kind, verdict.name))
    elif verdict.fate == "leave out":
        if verdict.kind == "owner":
            here.owners.add(owner_of(text) or "")
        elif one.unfinished:
            survey.cut_in = verdict.name
        else:
            here.left_out.setdefault(verdict.kind, []).append(verdict.name)
    if (created := created_table(text)) is not None:
        here.tables.add(names.full(created))
        if is_partitioned(text):
            here.partitioned.add(names.full(created))
    if (extension := extension_of(text)) is not None:
        here.extensions.append(extension)
    if code := name_of_code(text):
        here.code.append(code)
    if verdict.kind == "rows" and (filled := filled_table(text)) is not None:
        table = names.full(filled)
        added = sum(piece.count(b"\n") for piece in script.rows()) if one.takes_rows else inserted_rows(text)
        here.rows[table] = here.rows.get(table, 0) + added
        here.is_of_copies |= one.takes_rows
        if one.takes_rows and script.rows_had_no_end:
            here.without_end.append(table)
        if script.rows_were_cut:
            survey.cut_in = table


def _read_comments(survey: DumpSurvey, comments: list[bytes]) -> None:
    survey.is_dump = any(one in _BEGINS for one in comments[:5])
    survey.is_complete = any(one in _COMPLETE for one in comments[-3:])
    for one in comments:
        if found := _VERSION.match(one):
            survey.versions["server" if found[1] == b"from database" else "pg_dump"] = found[2].decode(
                "ascii", "replace"
            )


def counted(names: list[str]) -> str:
    """The names for a message: each once, with its number, a few of them."""
    found = Counter(names).most_common(_NAMED)
    shown = ", ".join(name if number == 1 else f"{name} ({number:,} times)" for name, number in found)
    return shown + (", …" if len(set(names)) > _NAMED else "")
