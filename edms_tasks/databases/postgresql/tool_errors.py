"""The error for a failure of pg_dump or pg_restore: which object, which statement, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.client_programs import Program
from edms_tasks.databases.postgresql.connection_errors import WORDS
from edms_tasks.errors import EdmsBackupError, NoSpace, TerminalError, TransientError

_LONGEST_STATEMENT = 600


@dataclass(frozen=True)
class _Kind:
    pattern: str  # for the English message of the program (LC_ALL=C) or of an untranslated server
    fix: str
    error: type[EdmsBackupError] = TerminalError


_KINDS = (
    _Kind(
        r"No space left on device|could not extend file|disk full",
        "Free some space on the disk that the message names (the server's, or the one of `workdir`), and run it again.",
        NoSpace,
    ),
    _Kind(
        WORDS,
        "The connection to the server was lost. See the server's log for the reason, and run it again.",
        TransientError,
    ),
    _Kind(
        r"lock timeout|deadlock detected|could not obtain lock",
        "Another session holds a lock on it. Run it again when that has ended (pg_stat_activity shows it).",
        TransientError,
    ),
    _Kind(
        r"statement timeout|conflict with recovery|canceling statement due to user request",
        "The server ended the statement: somebody cancelled it, or it is a standby that must follow its primary "
        "(there: hot_standby_feedback = on, or a larger max_standby_streaming_delay). Run it again.",
        TransientError,
    ),
    _Kind(
        r"server version mismatch|unsupported version \(",
        "Install PostgreSQL's client programs of the server's version, or name their folder: [edms] client_programs.",
    ),
    _Kind(
        r"unrecognized configuration parameter",
        "This server does not know that setting. Restore into a server of the version the snapshot was made from or a "
        "newer one. For transaction_timeout: use a pg_restore of the server's own version ([edms] client_programs).",
    ),
    _Kind(
        r'(role|user) "[^"]*" does not exist',
        "Create the role on this server (CREATE ROLE …; it needs no login), and restore again.",
    ),
    _Kind(
        r"must be (able to SET ROLE|member of role|a superuser|superuser|owner of)|permission denied",
        "The role that restores may not do that. Restore as a superuser (EDMS_BACKUP__RESTORE__DATABASE with its login), "
        "or have a superuser grant the role what the message names.",
    ),
    _Kind(
        r"extension .* is not available|could not open extension control file|could not access file .*No such file",
        "Install that extension's package on the database server (Debian: postgresql-contrib, postgresql-N-postgis, …), "
        "of the server's version, and restore again.",
    ),
    _Kind(
        r"can only create extension in database",
        "pg_cron can be created only in the database that the server's setting cron.database_name names, and a staging database has "
        "another name. Rename the lost database if it is still there (ALTER DATABASE … RENAME TO …), create an empty one of that name "
        "with the extension (CREATE EXTENSION pg_cron), and restore with --into and its name.",
    ),
    _Kind(
        r'tablespace "[^"]*" does not exist',
        "Create the tablespace on this server, or move its tables to another one at the source, and restore again.",
    ),
    _Kind(
        r'collation "[^"]*" .*does not exist|could not create locale|locale "[^"]*" does not exist|could not open collator',
        "Install that locale on the database server (Debian: locale-gen), or a server built with ICU, and restore again.",
    ),
    _Kind(
        r"has no equivalent in encoding|invalid byte sequence for encoding|conversion between .* is not supported",
        "The database's encoding does not support that text. Restore into a database with the source's encoding (UTF8).",
    ),
    _Kind(
        r"(function|operator|type|relation|text search [a-z]+) .*does not exist",
        "A function names it without its schema, and that schema is not in the search path where the statement runs; since "
        "version 17 PostgreSQL builds indexes and materialised views under an empty one. Give the function its path at the "
        "source (ALTER FUNCTION … SET search_path = public;), take a new backup, and restore that.",
    ),
    _Kind(
        r"is violated by some row|could not create unique index|violates .* constraint",
        "The rows of the snapshot do not satisfy it. The message names the rows: correct them at the source, or drop the "
        "constraint there, and take a new backup.",
    ),
    _Kind(
        r"already exists",
        "It exists already. Restore into an empty database, or into a new one (--into another name).",
    ),
    _Kind(
        r"not a valid archive|does not appear to be a valid archive|unexpected end of file|could not read from input file",
        "The archive is damaged. Run `edms-backup verify` on the snapshot.",
    ),
    _Kind(
        r"out of shared memory",
        "Raise max_locks_per_transaction on the server (it takes a restart): each table takes a lock.",
    ),
    _Kind(
        r"invalid (connection option|URI query parameter)",
        "This version of the program does not know a parameter of the EDMS's OPTIONS. Install newer client programs, or name "
        "their folder: [edms] client_programs.",
    ),
    _Kind(r"out of memory", "The machine or the server has too little memory for it. Lower [restore] jobs and `jobs`."),
)


def tool_failed(program: Program, address: DatabaseAddress, output: str, code: int) -> EdmsBackupError:
    """The error for a program that failed with this exit code and output on standard error."""
    message = _message(output) or f"It ended with code {code} and no message."
    kind = next((kind for kind in _KINDS if re.search(kind.pattern, message)), None)
    doing = {"pg_dump": "read the schema", "pg_restore": "restore the schema"}.get(program.name, "do its work")
    entry = re.search(r"from TOC entry \d+; \d+ \d+ (.+)", output)
    return (kind.error if kind else TerminalError)(
        f"{program.name} could not {doing}{f' ({entry[1]})' if entry else ''}.",
        where=f"{address.display}, with {program}",
        why=message,
        fix=kind.fix if kind else "The message is PostgreSQL's own, and the server's log may say more.",
    )


def _message(output: str) -> str:
    """The first error with its statement; later errors are its consequences."""
    lines = [line.rstrip() for line in output.strip().splitlines()]
    starts = [number for number, line in enumerate(lines) if re.search(r"\b(error|fatal|FATAL|ERROR|PANIC): ", line)]
    text = "\n".join(lines[starts[0] :] if starts else lines)
    later = re.search(r"\npg_\w+: (?!detail|hint)", text)
    text = text[: later.start()] if later else text
    parts = re.split(r"(\nCommand was: |\n.*Query was: )", text, maxsplit=1)
    message, mark, statement = parts if len(parts) == 3 else (text, "", "")
    if len(statement) > _LONGEST_STATEMENT:
        statement = statement[:_LONGEST_STATEMENT] + " …"
    return re.sub(r"^pg_\w+: error: ", "", message[-2000:]) + mark + statement
