"""Back up and restore what is far larger, wider or busier than usual, and say what happened.

    python -m tests.real.extremes sqlite wide many files writers changing
    python -m tests.real.extremes postgresql wide many writers

wide      a table of 1,600 columns (PostgreSQL's limit; SQLite allows 2,000)
many      5,000 tables
files     200,000 small files
writers   four writers commit all the time, each transaction keeping two tables equal
changing  files that are written to, replaced and removed throughout

Each is backed up, verified and restored beside the live system. The witness for what came back is
`tests/independent_comparison.py`; for what was written meanwhile, an invariant that each transaction keeps.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.independent_comparison import differences, picture_of_files, picture_of_postgres, picture_of_sqlite
from tests.reference_system import EdmsTemplates, LazyPostgres, ReferenceEdms, ReferenceEdmsFactory

_WIDE, _MANY, _FILES, _WRITERS = 1_600, 5_000, 200_000, 4


@dataclass
class Extreme:
    """A system under an unusual load."""

    edms: ReferenceEdms
    folder: Path
    config: Path

    def run(self, *words: str) -> tuple[float, int, str]:
        """A command of the product: seconds, peak memory in MB, and what it printed. It has to succeed."""
        started = time.monotonic()
        program = str(Path(sys.executable).with_name("edms-backup"))
        process = subprocess.Popen(
            [program, *words, "--config", str(self.config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None  # a pipe was asked for
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{words[0]} ended with {process.returncode}:\n{said[-3000:]}")
        return time.monotonic() - started, usage.ru_maxrss // 1024, said

    def execute(self, *statements: str) -> None:
        """SQL past Django and past the product, in one transaction."""
        with self.connection() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]
            connection.commit()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection | psycopg.Connection]:
        """A connection of its own."""
        if self.edms.engine == "sqlite":
            with closing(sqlite3.connect(self.edms.database_path, timeout=60)) as opened:
                yield opened
        else:
            with closing(psycopg.connect(self.edms.database_url)) as session:
                yield session

    def there_and_back(self) -> tuple[str, str]:
        """Back up, restore beside; returns figures, and the name of the copy."""
        backup = self.run("backup", "--no-flow")
        copy = (
            self.edms.database_name + "_copy" if self.edms.engine == "postgresql" else str(self.folder / "copy.sqlite3")
        )
        restore = self.run(
            "restore", "latest", "--into", copy, "--into-files", str(self.folder / "copied"), "--no-flow"
        )
        told = (
            f"{what} {took:,.0f} s, {memory:,} MB"
            for what, (took, memory, _) in (("backup", backup), ("restore", restore))
        )
        return "; ".join(told), copy

    def must_equal(self, copy: str) -> str:
        """The copy is the live system, to the last value and file."""
        if self.edms.engine == "sqlite":
            was, now = picture_of_sqlite(self.edms.database_path), picture_of_sqlite(Path(copy))
        else:
            address = self.edms.database_url.rsplit("/", 1)[0] + "/" + copy
            was, now = picture_of_postgres(self.edms.database_url), picture_of_postgres(address)
        was["files"], now["files"] = (
            picture_of_files(self.edms.media),
            picture_of_files(self.folder / "copied" / "media"),
        )
        wrong = differences(was, now)
        return "0 differences" if not wrong else f"DIFFERENT: {wrong[:5]}"


def wide(extreme: Extreme) -> str:
    """A table as wide as an engine allows."""
    columns = ", ".join(f"c{number} {'integer' if number % 2 else 'text'}" for number in range(_WIDE - 1))
    extreme.execute(f"CREATE TABLE wide (id integer PRIMARY KEY, {columns})")
    values = ", ".join("1" if number % 2 else "'é'" for number in range(_WIDE - 1))
    extreme.execute(*(f"INSERT INTO wide VALUES ({row}, {values})" for row in range(200)))
    figures, copy = extreme.there_and_back()
    return f"{figures}; {extreme.must_equal(copy)}"


def many(extreme: Extreme) -> str:
    """Many tables, each with an index and a row."""
    for start in range(0, _MANY, 500):
        extreme.execute(
            *(
                statement
                for number in range(start, start + 500)
                for statement in (
                    f"CREATE TABLE many_{number} (id integer PRIMARY KEY, name text)",
                    f"CREATE INDEX many_{number}_name ON many_{number} (name)",
                    f"INSERT INTO many_{number} VALUES (1, 'of {number}')",
                )
            )
        )
    figures, copy = extreme.there_and_back()
    return f"{figures}; {extreme.must_equal(copy)}"


def files(extreme: Extreme) -> str:
    """Many small files."""
    for number in range(_FILES):
        folder = extreme.edms.media / "many" / f"{number // 1000:03d}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number}.txt").write_bytes(b"%d" % number)
    figures, copy = extreme.there_and_back()
    return f"{figures}; {extreme.must_equal(copy)}"


def writers(extreme: Extreme) -> str:
    """What each transaction keeps equal is equal in every snapshot."""
    extreme.execute(
        "CREATE TABLE debit (id integer PRIMARY KEY, amount integer)",
        "CREATE TABLE credit (id integer PRIMARY KEY, amount integer)",
    )
    stop, committed = threading.Event(), [0] * _WRITERS

    def write(number: int) -> None:
        with extreme.connection() as connection:
            while not stop.is_set():
                key = number * 10_000_000 + committed[number]
                for table in ("debit", "credit"):
                    connection.execute(f"INSERT INTO {table} VALUES ({key}, {key % 97})")  # type: ignore[arg-type]
                connection.commit()
                committed[number] += 1
                time.sleep(0.002)

    with _beside(write, _WRITERS, stop):
        figures, copy = extreme.there_and_back()
    counts = "SELECT count(*), sum(amount) FROM debit UNION ALL SELECT count(*), sum(amount) FROM credit"
    if extreme.edms.engine == "sqlite":
        with closing(sqlite3.connect(copy)) as restored:
            debit, credit = restored.execute(counts).fetchall()
    else:
        with psycopg.connect(extreme.edms.database_url.rsplit("/", 1)[0] + "/" + copy) as session:
            debit, credit = session.execute(counts).fetchall()
    verdict = "both sides equal" if debit == credit else f"NOT EQUAL: {debit}, {credit}"
    return f"{figures}; {sum(committed):,} transactions committed meanwhile, {debit[0]:,} in the snapshot, {verdict}"


def changing(extreme: Extreme) -> str:
    """Files that do not hold still: the snapshot holds of each what was read, and says so."""
    folder = extreme.edms.media / "changing"
    folder.mkdir()
    for number in range(2_000):
        (folder / f"{number}").write_bytes(b"0" * 20_000)
    stop = threading.Event()

    def write(_: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            path = folder / str(turn % 2_000)
            if turn % 3 == 0:
                path.unlink(missing_ok=True)
            else:
                with path.open("ab" if turn % 3 == 1 else "wb") as file:
                    file.write(b"%d" % turn * 1000)

    with _beside(write, 2, stop):
        _, _, said = extreme.run("backup", "--no-flow")
        extreme.run("verify", "--no-flow")
        figures, _ = extreme.there_and_back()
    told = [line.strip() for line in said.splitlines() if "hanged while" in line or "removed while" in line]
    return f"{figures}; findings of the backup: {told or 'none'}"


@contextmanager
def _beside(work: Callable[[int], None], times: int, stop: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=work, args=[number]) for number in range(times)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


EXTREMES: dict[str, Callable[[Extreme], str]] = {
    "wide": wide, "many": many, "files": files, "writers": writers, "changing": changing,
}  # fmt: skip


def main() -> int:
    """Try each on a system of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=["sqlite", "postgresql"])
    parser.add_argument("what", nargs="+", choices=EXTREMES)
    wanted = parser.parse_args()
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edms-extremes-")))
        top.chmod(0o755)
        postgres = LazyPostgres()
        stack.callback(postgres.stop)
        templates = EdmsTemplates(top / "templates", postgres)
        for name in wanted.what:
            folder = top / name
            edms = ReferenceEdmsFactory(templates, folder, f"{name}_{secrets.token_hex(3)}")(
                wanted.engine, documents=10
            )
            config = edms.settings_file(folder / "edms-backup.toml", folder / "repository")
            print(f"{name}: {EXTREMES[name](Extreme(edms, folder, config))}", flush=True)
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
