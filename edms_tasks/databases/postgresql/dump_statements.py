"""Decide what becomes of a statement of a plain SQL dump: it is run, left out, or the whole dump is refused.

The server enforces the rest: statements run as a role that owns nothing but the throwaway database (`throwaway_database.py`). What is
listed here is what pg_dump, pg_dumpall and pg_restore write, from version 9.2 on. A statement that none of them writes is refused
by name before anything is run, because nobody knows what it is there for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edms_tasks.databases.postgresql.dump_script import PsqlCommand, Statement

Fate = Literal["run", "try", "skip", "leave out", "refuse"]
"""run: an error is a loss · try: an error means nothing · skip: it does nothing here · leave out: a finding names it."""

_NAME = rb'(?:"(?:[^"]|"")+"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)'
_QUALIFIED = rb"(" + _NAME + rb"(?:\s*\.\s*" + _NAME + rb")?)"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a statement, and what it is about."""

    fate: Fate
    kind: str  # of a statement that is left out or refused: what it is, for people
    name: str = ""


def _any(*words: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?:" + b"|".join(word.encode() for word in words) + rb")", re.IGNORECASE | re.DOTALL)


_SESSION = (
    "statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|check_function_bodies|xmloption|"
    "client_min_messages|row_security|default_table_access_method|escape_string_warning|synchronize_seqscans|"
    "default_transaction_read_only|default_with_oids|extra_float_digits|bytea_output|quote_all_identifiers"
)
_RULES: tuple[tuple[re.Pattern[bytes], Fate, str], ...] = (
    # what pg_dump writes to set up the session
    (_any(rf"SET\s+(?:{_SESSION})\s*(?:=|TO)"), "try", ""),
    (_any(r"SET\s+(?:client_encoding|standard_conforming_strings|search_path)\s*(?:=|TO)"), "run", ""),
    (_any(r"SET\s+default_tablespace\s*(?:=|TO)\s*(?:''|\"\")?\s*$"), "skip", ""),
    (_any(r"SET\s+default_tablespace\s*(?:=|TO)"), "leave out", "tablespace"),
    (_any(r"(?:RE)?SET\s+SESSION\s+AUTHORIZATION"), "skip", ""),
    (_any(r"SELECT\s+(?:pg_catalog\.)?set_config\('search_path',\s*'[^']*',\s*(?:false|true)\)\s*$"), "run", ""),
    (
        _any(
            r"SELECT\s+(?:pg_catalog\.)?setval\('(?:[^']|'')*'(?:::regclass)?,\s*-?\d+(?:,\s*(?:true|false))?\)\s*$",
            r"SELECT\s+(?:pg_catalog\.)?setval\((?:pg_catalog\.)?pg_get_serial_sequence\('(?:[^']|'')*',\s*'(?:[^']|'')*'\),"
            r"\s*-?\d+(?:,\s*(?:true|false))?\)\s*$",
        ),
        "run",
        "",
    ),
    (_any(r"(?:BEGIN|COMMIT|END|START\s+TRANSACTION)\s*$", r"(?:LOCK\s+TABLE|ANALYZE|CHECKPOINT)\b"), "skip", ""),
    (_any(r"SELECT\s+\*\s+FROM\s+pg_catalog\.pg_restore_\w+_stats\("), "skip", ""),
    (
        _any(r"SELECT\s+(?:pg_catalog\.)?(?:lo_create|lo_open|lowrite|lo_close|lo_unlink|loread|lo_from_bytea)\("),
        "leave out",
        "large object",
    ),
    (
        _any(r"ALTER\s+LARGE\s+OBJECT\b", r"(?:COMMENT|GRANT.*|REVOKE.*)\s+ON\s+LARGE\s+OBJECT\b"),
        "leave out",
        "large object",
    ),
    # what belongs to the whole server, or reaches out of the database
    (
        _any(r"(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER\s+MAPPING|USER|GROUP)\b", r"(?:GRANT|REVOKE)\s+(?!.*\bON\b)"),
        "leave out",
        "role",
    ),
    (_any(r"(?:CREATE|ALTER|DROP)\s+TABLESPACE\b"), "leave out", "tablespace"),
    (
        _any(r"(?:CREATE|ALTER|DROP)\s+DATABASE\b", r"(?:COMMENT|GRANT.*|REVOKE.*)\s+ON\s+DATABASE\b"),
        "leave out",
        "database",
    ),
    (
        _any(
            r"(?:CREATE|ALTER|DROP|COMMENT\s+ON)\s+(?:EVENT\s+TRIGGER|PUBLICATION|SUBSCRIPTION|SERVER|FOREIGN\s+DATA\s+WRAPPER)\b"
        ),
        "leave out",
        "object that only a superuser creates",
    ),
    (
        _any(
            r"(?:CREATE|ALTER|DROP|COMMENT\s+ON)\s+(?:OR\s+REPLACE\s+)?(?:FOREIGN\s+TABLE|(?:TRUSTED\s+)?(?:PROCEDURAL\s+)?LANGUAGE|"
            r"ACCESS\s+METHOD|TRANSFORM)\b",
            r"CREATE\s+(?:OR\s+REPLACE\s+)?TRUSTED\b",
        ),
        "leave out",
        "object that only a superuser creates",
    ),
    (_any(r"SECURITY\s+LABEL\b"), "leave out", "security label"),
    (_any(r"ALTER\s+DEFAULT\s+PRIVILEGES\b"), "leave out", "default privileges"),
    (_any(r"ALTER\s+SYSTEM\b"), "refuse", "a change of the server's configuration"),
    # the definitions
    (_any(r"ALTER\s+[A-Z ]+?\s.*\bOWNER\s+TO\s+(?:\"(?:[^\"]|\"\")+\"|\S+)\s*$"), "leave out", "owner"),
    (
        _any(
            r"(?:COMMENT\s+ON|ALTER)\s+EXTENSION\b",
            r"COMMENT\s+ON\s+SCHEMA\s+public\b",
            # what an older pg_dump writes for an updated server; see column_versions.py
            r"ALTER\s+(?:FOREIGN\s+)?TABLE\s+ONLY\s.+\sALTER\s+COLUMN\s.+\sSET\s*\(pg_attver=\d+\)\s*$",
            r"CREATE\s+SCHEMA\s+(?:IF\s+NOT\s+EXISTS\s+)?public\s*$",
        ),
        "try",
        "",
    ),
    (_any(r"CREATE\s+EXTENSION\b"), "run", "extension"),
    (
        _any(
            r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNLOGGED\s+|RECURSIVE\s+|UNIQUE\s+|MATERIALIZED\s+|CONSTRAINT\s+|DEFAULT\s+)?"
            r"(?:TABLE|SEQUENCE|VIEW|INDEX|FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN|SCHEMA|TRIGGER|RULE|POLICY|OPERATOR|CAST|COLLATION|"
            r"CONVERSION|TEXT\s+SEARCH|STATISTICS)\b",
            r"ALTER\s+(?:TABLE|INDEX|SEQUENCE|VIEW|MATERIALIZED|FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|TYPE|DOMAIN|SCHEMA|TRIGGER|POLICY|"
            r"OPERATOR|COLLATION|CONVERSION|TEXT\s+SEARCH|STATISTICS|RULE)\b",
            r"COMMENT\s+ON\b",
            r"REFRESH\s+MATERIALIZED\s+VIEW\b",
        ),
        "run",
        "",
    ),
    (_any(r"(?:GRANT|REVOKE)\b.*\bON\b"), "run", "privilege"),
    # of pg_dump --clean: there is nothing to drop in a new database
    (
        _any(
            r"DROP\s+(?:TABLE|SEQUENCE|VIEW|MATERIALIZED|INDEX|FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|TYPE|DOMAIN|SCHEMA|TRIGGER|RULE|POLICY|"
            r"OPERATOR|CAST|COLLATION|CONVERSION|TEXT\s+SEARCH|STATISTICS|EXTENSION)\b"
        ),
        "try",
        "",
    ),
    # the rows
    (
        _any(r"COPY\s+[^\s('-]+\s*(?:\([^()'-]*\)\s*)?(?:WITH\s+OIDS\s+)?FROM\s+STDIN\s*(?:WITH\b[^;-]*)?$"),
        "run",
        "rows",
    ),
    (_any(r"COPY\b.*\bPROGRAM\b"), "refuse", "COPY that runs a program"),
    (_any(r"COPY\b"), "refuse", "COPY from or to a file of the server"),
    (
        _any(r"INSERT\s+INTO\s+\S.*?\s(?:OVERRIDING\s+(?:SYSTEM|USER)\s+VALUE\s+)?(?:VALUES\b|DEFAULT\s+VALUES\b)"),
        "run",
        "rows",
    ),
)
_DROPS = _any(
    r"ALTER\s+(?:TABLE|DOMAIN|TYPE|INDEX)\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?[^(]*?\s(?:DROP|ALTER\s+COLUMN\s+\S+\s+DROP)\b"
)
_IN_ROUTINE = re.compile(
    rb"""(?P<body>\$(?P<tag>[A-Za-z_\x80-\xff]\w*)?\$.*?\$(?(tag)(?P=tag))\$) | (?P<text>'(?:[^']|'')*') |
    (?P<word>"(?:[^"]|"")*"|[\w$]+)""",
    re.VERBOSE | re.DOTALL,
)
_OUR_LANGUAGES = frozenset([b"sql", b"plpgsql"])
_CREATES = re.compile(rb"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?" + _QUALIFIED, re.IGNORECASE)
_FORCES = re.compile(rb"ALTER\s+TABLE\b.*?\sFORCE\s+ROW\s+LEVEL\s+SECURITY\s*$", re.IGNORECASE | re.DOTALL)
_PARTITIONED = re.compile(rb"\)\s*PARTITION\s+BY\s+(?:RANGE|LIST|HASH)\b[^;]*$", re.IGNORECASE)
# At the beginning alone: a text among the values may hold the word as well.
_SEVERAL_ROWS = re.compile(
    rb"INSERT\s+INTO\s+"
    + _QUALIFIED
    + rb"""\s*(?:\((?:"(?:[^"]|"")*"|[^")])*\)\s*)?(?:OVERRIDING\s+\w+\s+VALUE\s+)?VALUES\s*\n""",
    re.IGNORECASE,
)
_IN_VALUES = re.compile(rb"""E'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | [()]""", re.VERBOSE | re.DOTALL)
_FILLS = re.compile(rb"(?:COPY|INSERT\s+INTO)\s+(?:ONLY\s+)?" + _QUALIFIED, re.IGNORECASE)
_EXTENSION = re.compile(rb"CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?(" + _NAME + rb")", re.IGNORECASE)
_OWNER = re.compile(rb"OWNER\s+TO\s+(" + _NAME + rb")\s*$", re.IGNORECASE)
_CODE = re.compile(
    rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?(FUNCTION|PROCEDURE|TRIGGER|RULE|POLICY)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    + _QUALIFIED,
    re.IGNORECASE,
)
_CONNECT = re.compile(rb"\\(?:connect|c)\s+(?:-reuse-previous=\w+\s+)?(.+)$")
_HARMLESS_COMMANDS = re.compile(rb"\\(?:un)?restrict\s+[A-Za-z0-9]+$")
_SHOWN = 80


def judge(statement: Statement) -> Verdict:
    """What becomes of a statement."""
    text = statement.text
    if statement.unfinished:
        return Verdict("leave out", "unfinished statement", _beginning(text))
    if re.match(rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", text, re.IGNORECASE):
        language = _language_of(text)
        if language not in _OUR_LANGUAGES:
            return Verdict(
                "leave out", f"routine in the language {language.decode(errors='replace')}", name_of_code(text)
            )
    if _DROPS.match(text):
        return Verdict("try", "")
    # Names may contain anything; without them, the words are those of the statement.
    words = re.sub(rb'"(?:[^"]|"")*"', b'""', text) if text[:4].upper() == b"COPY" else text
    for pattern, fate, kind in _RULES:
        if pattern.match(words):
            return Verdict(fate, kind, _beginning(text) if fate in ("leave out", "refuse") else "")
    return Verdict("refuse", "a statement that pg_dump does not write", _beginning(text))


def judge_command(command: PsqlCommand) -> Verdict:
    """What becomes of a command of psql: none is run."""
    if _HARMLESS_COMMANDS.match(command.text) or command.text == b"\\.":
        return Verdict("skip", "")
    if _CONNECT.match(command.text):
        return Verdict("skip", "connect")
    return Verdict("refuse", "a command of psql", _beginning(command.text))


def database_of(command: PsqlCommand) -> str | None:
    """The database that a \\connect names; None for another command."""
    found = _CONNECT.match(command.text)
    if found is None:
        return None
    name = found[1].strip()
    if inner := re.search(rb"dbname='((?:[^'\\]|\\.)*)'", name):
        return re.sub(rb"\\(.)", rb"\1", inner[1]).decode("utf-8", "surrogateescape")
    return unquoted(name)


def created_table(text: bytes) -> bytes | None:
    """The name of the table that a statement creates, as written."""
    found = _CREATES.match(text)
    return found[1] if found else None


def filled_table(text: bytes) -> bytes | None:
    """The name of the table whose rows a statement adds, as written."""
    found = _FILLS.match(text)
    return found[1] if found else None


def inserted_rows(text: bytes) -> int:
    """How many rows an INSERT adds: pg_dump --rows-per-insert writes several, each on a line of its own below VALUES."""
    several = _SEVERAL_ROWS.match(text)
    if several is None:
        return 1
    rows = depth = 0
    for found in _IN_VALUES.finditer(text, several.end()):
        if found[0] == b"(":
            rows += depth == 0
            depth += 1
        elif found[0] == b")":
            depth -= 1
    return rows


def is_partitioned(text: bytes) -> bool:
    """Whether a statement creates a table whose rows are in partitions."""
    return _PARTITIONED.search(text) is not None


def forced_policies(text: bytes) -> bool:
    """Whether a statement lets policies hide rows from the owner of the table, too."""
    return _FORCES.search(text) is not None


def extension_of(text: bytes) -> str | None:
    """The extension that a statement creates."""
    found = _EXTENSION.match(text)
    return unquoted(found[1]) if found else None


def owner_of(text: bytes) -> str | None:
    """The role that a statement makes the owner of something."""
    found = _OWNER.search(text)
    return unquoted(found[1]) if found else None


def name_of_code(text: bytes) -> str:
    """Kind and name of the function, trigger, rule or policy that a statement creates; "" if it creates none."""
    found = _CODE.match(text)
    return f"{found[1].decode().lower()} {found[2].decode('utf-8', 'replace')}" if found else ""


def unquoted(name: bytes) -> str:
    """A name as the catalogue has it: without quotes, or in lower case."""
    text = name.decode("utf-8", "surrogateescape").strip()
    if text.startswith('"'):
        return text[1:-1].replace('""', '"')
    return text.lower()


def _language_of(text: bytes) -> bytes:
    """The language of a routine, in lower case; sql if it names none, as the body of a standard one."""
    follows = False
    for found in _IN_ROUTINE.finditer(text):
        if follows:
            return found[0].strip(b"'\"").lower()
        follows = found["word"] is not None and found["word"].upper() == b"LANGUAGE"
    return b"sql"


def _beginning(text: bytes) -> str:
    """The beginning of a statement for a message, without the values in it: one may be a password."""
    shown = re.sub(rb"'(?:[^']|'')*'?", b"'\xe2\x80\xa6'", text[: _SHOWN * 4])
    line = " ".join(shown.decode("utf-8", "replace").split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
