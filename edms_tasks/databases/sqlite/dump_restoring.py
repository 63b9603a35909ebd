"""Restore SQLite's dumps into a throwaway file: a copy of a database file with its log, or the text of `.dump`.

The given file is never opened by SQLite, which would write to it or its log; a private copy is.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import Dump, DumpContents, RestoredDump
from edms_tasks.databases.sqlite.dump_bounds import bounded, end_with
from edms_tasks.databases.sqlite.dump_text import load_text, survey_text
from edms_tasks.databases.sqlite.schema_authorizer import confined
from edms_tasks.errors import UnreadableBackup
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.quoting import identifier

_MAGIC = b"SQLite format 3\x00"
_WAL_HEADER = 32  # bytes; a log that is no longer holds no transaction
_MOST_PROBLEMS = 20
_NAMED = 5


def examine(dump: Dump) -> DumpContents:
    """See `dumps.examine_dump`; a file is copied for it, because SQLite writes to what it opens."""
    if dump.form == "sqlite-text":
        return survey_text(dump)
    with tempfile.TemporaryDirectory(prefix="edms-examine-") as folder:
        path = Path(folder) / "dump.sqlite3"
        return bounded(dump, path, lambda ended: _copied(dump, path, ended))


@contextmanager
def restored(dump: Dump, folder: Path) -> Iterator[RestoredDump]:
    """See `dumps.restored_dump`."""
    path = folder / "dump.sqlite3"
    try:
        if dump.form == "sqlite-text":
            contents = survey_text(dump)
            findings = bounded(dump, path, lambda ended: tuple(load_text(dump, path, contents, ended)))
        else:
            contents, findings = bounded(dump, path, lambda ended: _copied(dump, path, ended)), ()
        yield RestoredDump(DatabaseAddress("sqlite", str(path)), contents, findings)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _copied(dump: Dump, path: Path, ended: threading.Event) -> DumpContents:
    """Copy the file and its log to `path`, bring the log into it, and check it."""
    shutil.copyfile(dump.path, path)
    with path.open("rb") as stream:
        header = stream.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise UnreadableBackup(
            "The file is no SQLite database.",
            where=str(dump.path),
            why="It is empty." if not header else "It does not begin like one.",
            fix="Use another backup: nothing can be got from this one.",
        )
    log = _beside(dump.path, path, "-wal")
    journal = _beside(dump.path, path, "-journal")
    try:
        with confined(path) as connection:
            end_with(connection, ended)
            findings = [*_use_log(connection, path, log=log, journal=journal, is_wal=header[18] == 2)]
            problems = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")]
            if problems != ["ok"]:
                findings.append(_repair(connection, dump, problems))
            rows = _count(connection)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
    except (sqlite3.DatabaseError, UnicodeError) as error:  # its names, too, may be damaged
        raise _unreadable(dump, str(error)) from error
    if not rows:
        raise UnreadableBackup(
            "The SQLite file holds no table.",
            where=str(dump.path),
            fix="Use another backup: nothing can be got from this one.",
        )
    findings.append(make_finding("dump-unchecked", "dump"))
    facts = {"user_version": str(version)} if version else {}
    if log:
        facts["log"] = "the -wal file beside it was used"
    return DumpContents(rows, facts, tuple(findings))


def _beside(source: Path, copy: Path, suffix: str) -> bool:
    """Copy the log that is beside the file; whether there is one."""
    log = Path(f"{source}{suffix}")
    if not log.is_file() or log.is_symlink() or log.stat().st_size <= (_WAL_HEADER if suffix == "-wal" else 0):
        return False
    shutil.copyfile(log, f"{copy}{suffix}")
    return True


def _use_log(
    connection: sqlite3.Connection, path: Path, *, log: bool, journal: bool, is_wal: bool
) -> Iterator[Finding]:
    before = path.read_bytes()[:100] if journal else b""
    connection.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()  # rolls a journal back, if it is one of this file
    if journal and Path(f"{path}-journal").exists() and path.read_bytes()[:100] == before:
        yield make_finding(
            "dump-log-ignored", "-journal", "The journal beside the SQLite file is not of its last state."
        )
    if log:
        _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if not is_wal or pages <= 0 or moved < pages:
            yield make_finding(
                "dump-log-ignored",
                "-wal",
                "SQLite could use nothing of the log beside the file: it is damaged, or of another state of the database.",
            )
    elif is_wal:
        yield make_finding("dump-log-missing", "-wal")
    connection.execute("PRAGMA journal_mode = DELETE")


def _repair(connection: sqlite3.Connection, dump: Dump, problems: list[str]) -> Finding:
    """Build the indexes anew where only they are damaged. Raises UnreadableBackup if tables are."""
    try:
        connection.execute("REINDEX")
        left = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")]
    except (sqlite3.DatabaseError, UnicodeError) as error:
        left = [str(error)]
    if left != ["ok"]:
        raise _unreadable(dump, "; ".join(left[:_NAMED]))
    return make_finding(
        "dump-damaged",
        "indexes",
        "Indexes of the SQLite file were damaged, and were built anew. The tables could be read, but whoever damaged an index may have "
        "damaged values too.",
        count=len(problems),
        examples=tuple(problems[:_NAMED]),
    )


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    return {
        str(name): int(connection.execute(f"SELECT count(*) FROM {identifier(str(name))}").fetchone()[0])
        for (name,) in names
    }


def _unreadable(dump: Dump, why: str) -> UnreadableBackup:
    return UnreadableBackup(
        "The SQLite file is damaged.",
        where=str(dump.path),
        why=why[:600],
        fix=f"Use another copy. If there is none: `sqlite3 {dump.path.name} .recover > recovered.sql` gets what rows it can, and loses "
        "others without a word; convert that file, and compare its counts with what you know of the system.",
    )
