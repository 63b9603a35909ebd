"""Examine dumps of pg_dump in every form, and restore them into a throwaway database.

An archive (custom, directory, tar) becomes a plain script by `pg_restore --file=-`, so that all forms take one path: survey,
throwaway database, statements one by one, rows counted again. pg_dump writes no checksum, so nothing of a dump can be proved.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import Dump, DumpContents, RestoredDump
from edms_tasks.databases.postgresql.client_programs import find_program
from edms_tasks.databases.postgresql.dump_bounds import bound_sessions, bounded_work
from edms_tasks.databases.postgresql.dump_findings_of import findings_of_loading, findings_of_survey
from edms_tasks.databases.postgresql.dump_loading import count_rows, load_dump
from edms_tasks.databases.postgresql.dump_script import ReadableStream
from edms_tasks.databases.postgresql.dump_survey import DatabaseInDump, DumpSurvey, counted, survey_dump
from edms_tasks.databases.postgresql.throwaway_database import throwaway_database
from edms_tasks.databases.undamaged_part import UndamagedPart
from edms_tasks.errors import DumpRefused, UnreadableBackup

SILENCE = 120
"""Seconds after which a pg_restore that writes nothing is ended."""
_SHOWN = 5
_TAR_BLOCK = 512  # what a member of a tar begins with
_LONGEST = 600


def examine(dump: Dump, database: str, client_programs: str) -> DumpContents:
    """See `dumps.examine_dump`."""
    survey, damage = _survey(dump, client_programs)
    name, held = _choose(survey, dump, database, damage)
    return _contents(survey, name, held, damage)


@contextmanager
def restored(dump: Dump, live: DatabaseAddress, maintenance: DatabaseAddress, database: str) -> Iterator[RestoredDump]:
    """See `dumps.restored_dump`."""
    survey, damage = _survey(dump, live.client_programs)
    name, held = _choose(survey, dump, database, damage)
    contents = _contents(survey, name, held, damage)
    encoding = "SQL_ASCII" if survey.encoding == "SQL_ASCII" else "UTF8"
    with throwaway_database(live, maintenance, held.extensions, encoding=encoding) as address:
        bound_sessions(maintenance, address, dump.limits)
        with (
            _Script(dump, live.client_programs) as script,
            bounded_work(dump, maintenance, address, script.end) as work,
        ):
            loaded = work.run(lambda: load_dump(script.stream, address, name, work.too_large))
            there = work.run(lambda: count_rows(address, [*held.rows]))
        yield RestoredDump(address, contents, tuple(findings_of_loading(loaded, held, there)))


def _survey(dump: Dump, client_programs: str) -> tuple[DumpSurvey, str]:
    """What the dump holds, and why it could not be read to its end."""
    with _Script(dump, client_programs) as script:
        survey = survey_dump(script.stream)
    if survey.refused:
        kind = survey.refused[0][1]
        shown = "; ".join(f"line {line}: {kind}: {beginning}" for line, kind, beginning in survey.refused[:_SHOWN])
        raise DumpRefused(
            f"The dump has {kind}. Nothing of it was run.",
            where=str(dump.path),
            why=shown + (f"; and {len(survey.refused) - _SHOWN:,} more" if len(survey.refused) > _SHOWN else ""),
            fix="pg_dump writes nothing like it: find out who put it there. If the dump was edited or is damaged at this line, remove it "
            "from a copy and convert that.",
        )
    return survey, script.problem


def _choose(survey: DumpSurvey, dump: Dump, wanted: str, damage: str) -> tuple[str, DatabaseInDump]:
    names = survey.names
    if wanted:
        if wanted in names:
            return wanted, survey.databases[wanted]
        if names != ("",):
            raise DumpRefused(
                f"The dump holds no database {wanted!r} with tables.",
                where=str(dump.path),
                why=f"It holds {', '.join(names) or 'none'}.",
                fix="Name one of these, or none.",
            )
    if len(names) > 1:
        raise DumpRefused(
            f"The dump holds {len(names)} databases.",
            where=str(dump.path),
            why=", ".join(
                f"{name or 'without a name'} ({len(survey.databases[name].tables)} tables)" for name in names
            ),
            fix="Name the EDMS's: --database NAME.",
        )
    if not names:
        raise UnreadableBackup(
            "The dump holds no table.",
            where=str(dump.path),
            why=damage or "It is empty, or ends before its first table."
            if damage or not survey.is_dump
            else "It ends before its first table, or was made of the server's roles only (pg_dumpall --globals-only).",
            fix="Use another backup: nothing can be got from this one.",
        )
    held = survey.databases[names[0]]
    if not held.tables:
        raise DumpRefused(
            "The dump holds rows and no definitions of tables: it was made with --data-only.",
            where=str(dump.path),
            why=f"Rows of {counted([*held.rows])}.",
            fix="Convert the dump of the definitions with it: join the two into one file, the definitions (--schema-only) first.",
        )
    return names[0], held


def _contents(survey: DumpSurvey, name: str, held: DatabaseInDump, damage: str) -> DumpContents:
    rows = {table: held.rows.get(table, 0) for table in sorted({*held.tables, *held.rows})}
    facts = {
        "server": survey.versions.get("server", "not recorded"),
        "pg_dump": survey.versions.get("pg_dump", "not recorded"),
    }
    if name:
        facts["database"] = name
    return DumpContents(rows, facts, tuple(findings_of_survey(survey, held, damage)))


class _Script:
    """The dump as a plain SQL script, from the file itself or from pg_restore; `problem` says why it could not be read to its end."""

    def __init__(self, dump: Dump, client_programs: str) -> None:
        self.problem = ""
        self._dump = dump
        self._client_programs = client_programs

    def __enter__(self) -> _Script:
        self._said = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None
        if self._dump.form == "pg_dump-plain":
            self._opened = self._dump.opened()
            self.stream: ReadableStream = UndamagedPart(self._opened.__enter__(), self._dump.damage, self._note)
            return self
        if self._dump.path.is_dir():
            _require_own_files(self._dump.path)
        archive = archive_version(self._dump.path)
        program = find_program("pg_restore", 0, self._client_programs, archive=archive)
        self._process = subprocess.Popen(
            [program.path, "--file=-", self._dump.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
        self.stream = _Talking(self._process, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            if self._process is None:
                self._opened.__exit__(None, None, None)
                return
            assert self._process.stdout is not None  # it is a pipe
            self._process.stdout.close()
            if exception[0] is not None:
                self._process.kill()
            code = self._process.wait()
            self._said.seek(0)
            said = " ".join(self._said.read(_LONGEST).decode("utf-8", "replace").split())
            if code != 0 or "error" in said:
                self._note(said or f"pg_restore ended with code {code}")
        finally:
            self._said.close()

    def end(self) -> None:
        """End pg_restore, if it is what writes the script."""
        if self._process is not None:
            self._process.kill()

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem


class _Talking:
    """What pg_restore writes. Damaged archives may make it work for ever without a word; then it is ended."""

    def __init__(self, process: subprocess.Popen[bytes], note: Callable[[str], None]) -> None:
        assert process.stdout is not None  # it is a pipe
        self._process, self._output, self._note = process, process.stdout, note

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        ready, _, _ = select.select([self._output], [], [], SILENCE)
        if not ready:
            self._process.kill()
            self._note(f"pg_restore gave nothing for {SILENCE:,} seconds, and was ended: the archive is damaged.")
            return b""
        return os.read(self._output.fileno(), size)


def _require_own_files(folder: Path) -> None:
    """Refuse a folder whose table of contents names files elsewhere: pg_restore would read them as rows. Raises DumpRefused."""
    links = [path.name for path in folder.iterdir() if path.is_symlink()]
    contents = (folder / "toc.dat").read_bytes()
    # A name of a file stands there as a sign, its length in four bytes, and the name.
    names = [
        name
        for length, name in re.findall(
            rb"\x00(?=(.{4})([^\x00]*?/[^\x00]*?\.(?:dat|toc)(?:\.gz|\.lz4|\.zst)?))", contents, re.DOTALL
        )
        if int.from_bytes(length, "little") == len(name)
    ]
    if links or names:
        shown = [*links, *(name.decode("utf-8", "replace") for name in names)]
        raise DumpRefused(
            "The dump has files outside its folder. Nothing of it was run.",
            where=str(folder),
            why=", ".join(shown[:_SHOWN]),
            fix="pg_dump writes nothing like it: find out who changed it.",
        )


def archive_version(path: Path) -> int:
    """The major version of PostgreSQL that introduced the archive's format; 0 if the file does not say."""
    file = path / "toc.dat" if path.is_dir() else path
    with file.open("rb") as stream:
        head = stream.read(_TAR_BLOCK + 8)
    if head.startswith(b"toc.dat\0"):  # the first member of a tar
        head = head[_TAR_BLOCK:]
    if not head.startswith(b"PGDMP"):
        return 0
    return {14: 12, 15: 16, 16: 17}.get(head[6], 0) if head[5] == 1 else 0
