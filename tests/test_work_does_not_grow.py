"""Work that Python does must not grow with rows: counted, not timed, so that a slow machine says the same as a fast one.

The rows are to pass through DuckDB, Arrow and the database's own bulk paths. A single function that is called, or a
single line that is run, once a row costs a thousand a thousand rows; the bounds below lie far under that. They follow
from the design, not from a measurement:

- Below one chunk, four times the rows are the same calls, but for what waits and asks whether something is done. A
  tenth of a call a row is more than that and less than any work by row.
- A chunk is read, cast, written, hashed, stored, fetched, hashed and digested: some ten steps, none of which needs more
  than two hundred calls.
- An object is a chunk; a table's last chunk may be short, the others are at least half full.
- A backup writes a copy of the SQLite file (1), the raw rows (1), the chunks (½), the chunks again as they are verified
  (½), and leaves room for what overflows memory (1): 4 times what the database grew by. A restore writes the fetched
  chunks (½), the database with its indexes (1½), the copy it is read back from (1), the raw rows (1) and overflow (1): 5.
- Chunks are columns, compressed: at most half of what SQLite keeps, indexes included.
"""

from __future__ import annotations

import ast
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.multiply import multiply
from edms_tasks.scratch.workspace import open_workspace
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

ROOT = Path(__file__).resolve().parent.parent
OURS = tuple(str(ROOT / package) for package in ("flows", "edms_tasks", "expectations"))
FEW, MANY = 8_000, 32_000

CALLS_PER_THOUSAND_ROWS = 100
STATEMENTS_PER_THOUSAND_ROWS = 1
CALLS_PER_CHUNK = 2_000
WRITTEN_BY_A_BACKUP, WRITTEN_BY_A_RESTORE = 4, 5
STORED = 0.5


@dataclass
class Work:
    """What was done between two moments."""

    calls: int = 0  # Python functions of anybody's, in all threads
    lines: int = 0  # lines of ours, rounds of a loop included
    statements: int = 0  # that ours handed to the database or to DuckDB
    written: int = 0  # bytes


@pytest.mark.slow
@pytest.mark.long  # the next one asks the same of a chunk
def test_four_times_the_rows_need_the_same_number_of_python_calls(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    warm = _protected(edms_factory, tmp_path / "warm", 0)
    _restored(warm, warm.backup().snapshot_id)  # imports, which would count once

    few = _protected(edms_factory, tmp_path / "few", FEW)
    many = _protected(edms_factory, tmp_path / "many", MANY)
    work = {}
    for name, system in (("few", few), ("many", many)):
        with counted() as backup:
            snapshot = system.backup()
        with counted() as restore:
            restored = _restored(system, snapshot.snapshot_id)
        assert snapshot.verified
        assert restored.success
        assert restored.rows == snapshot.manifest.rows
        work[name] = backup, restore, snapshot.manifest.rows

    thousands = (work["many"][2] - work["few"][2]) / 1000
    database = _size(many.edms) - _size(few.edms)
    assert thousands > 20, "too few rows to tell"
    for verb, position, writes in (("backup", 0, WRITTEN_BY_A_BACKUP), ("restore", 1, WRITTEN_BY_A_RESTORE)):
        less, more = work["few"][position], work["many"][position]
        assert less.calls > 10_000, "the calls were not counted"
        assert less.lines > 10_000, "the lines were not counted"
        assert less.statements > 100, "the statements were not counted"
        assert (more.calls - less.calls) / thousands < CALLS_PER_THOUSAND_ROWS, verb
        assert (more.lines - less.lines) / thousands < CALLS_PER_THOUSAND_ROWS, verb
        assert (more.statements - less.statements) / thousands < STATEMENTS_PER_THOUSAND_ROWS, verb
        assert 0 < (more.written - less.written) / database < writes, verb
    assert 0 < (_stored(many) - _stored(few)) / database < STORED


@pytest.mark.long
@pytest.mark.slow
def test_each_further_chunk_adds_the_same_work(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    chunk_rows = 500
    warm = _protected(edms_factory, tmp_path / "warm", 0)
    warm.backup()

    made = {}
    for rows in (FEW // 2, MANY // 2):
        system = _protected(edms_factory, tmp_path / str(rows), rows, top=f"chunk_rows = {chunk_rows}")
        with counted() as work:
            snapshot = system.backup()
        chunks = sum(len(entry.chunks) for entry in snapshot.manifest.tables)
        made[rows] = work, snapshot.manifest, chunks

    (less, few, few_chunks), (more, many, many_chunks) = made.values()
    chunks = many_chunks - few_chunks
    assert chunks >= (many.rows - few.rows) / chunk_rows - len(many.tables)
    assert chunks <= 2 * (many.rows - few.rows) / chunk_rows + len(many.tables)
    assert (more.calls - less.calls) / chunks < CALLS_PER_CHUNK
    assert (more.lines - less.lines) / chunks < CALLS_PER_CHUNK


def test_a_call_for_each_row_is_noticed_in_any_thread() -> None:
    def work_by_row() -> None:
        for row in range(1000):
            _by_row(row)

    with counted() as work:
        thread = threading.Thread(target=work_by_row)
        thread.start()
        thread.join()

    assert work.calls >= 1000


def test_a_line_for_each_row_is_noticed() -> None:
    loop = compile("for row in range(1000): pass", str(ROOT / "edms_tasks" / "by_row.py"), "exec")

    with counted() as work:
        exec(loop, {})

    assert work.lines >= 1000


def test_a_statement_for_each_row_is_noticed(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "workspace", memory_limit_mb=64, threads=1) as workspace, counted() as work:
        for _ in range(1000):
            with workspace.cursor() as cursor:  # which sets the time zone, by a statement
                cursor.close()

    assert work.statements >= 1000


@contextmanager
def counted() -> Iterator[Work]:
    """Count what this thread, and every thread it starts, does."""
    counter = _Counter()
    written = _written()
    threading.settrace(counter.trace)
    sys.settrace(counter.trace)
    work = Work()
    try:
        yield work
    finally:
        sys.settrace(None)
        threading.settrace(None)
        work.calls, work.lines, work.statements = (next(c) for c in (counter.calls, counter.lines, counter.statements))
        work.written = _written() - written


class _Counter:
    """A trace function that counts; `itertools.count` is stepped in one go, whatever thread does it."""

    def __init__(self) -> None:
        self.calls = itertools.count()
        self.lines = itertools.count()
        self.statements = itertools.count()

    def trace(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        """Called for each function of Python's; what it returns is called for each line of that function."""
        next(self.calls)
        path = frame.f_code.co_filename
        if not (path.startswith(OURS) and path.endswith(".py")):  # a template of a page is none
            return None
        statements = _statement_lines(path)

        def line(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
            if event == "line":
                next(self.lines)
                if frame.f_lineno in statements:
                    next(self.statements)
            return line

        return line


# Python 3.11 counts the depth of a tree being built for all threads together, and two at a time disturb each other.
_PARSING = threading.Lock()


@cache
def _statement_lines(path: str) -> frozenset[int]:
    """The lines of a source file that hand a statement to a database, DuckDB included."""
    names = {"execute", "executemany", "executescript", "sql"}
    source = Path(path)
    with _PARSING:
        calls = list(ast.walk(ast.parse(source.read_text(encoding="utf-8")))) if source.exists() else ()
    return frozenset(
        call.lineno
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in names
    )


def _by_row(row: int) -> int:
    return row


def _protected(factory: ReferenceEdmsFactory, folder: Path, rows: int, top: str = "") -> Protected:
    edms = factory("sqlite", documents=20)
    multiply(edms.database_url, rows)
    return protect(edms, folder, top=top)


def _restored(system: Protected, snapshot: str) -> Any:
    return system.restore(snapshot, into=str(system.config.parent / "restored.sqlite3"))


def _size(edms: ReferenceEdms) -> int:
    return edms.database_path.stat().st_size


def _stored(system: Protected) -> int:
    return sum(path.stat().st_size for path in (system.repository / "objects").rglob("*") if path.is_file())


def _written() -> int:
    """Bytes that this process handed to write calls so far."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
