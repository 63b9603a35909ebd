"""SQLite's files and the texts of .dump are restored exactly, and nothing in them reaches another file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases.dumps import DumpForm, examine_dump, restored_dump
from edms_tasks.errors import DumpRefused, UnreadableBackup
from edms_tasks.inventory.model import Finding
from tests.legacy.dumps_of import compressed, dump_of

_SCHEMA = """
    CREATE TABLE "we; ird" (id integer PRIMARY KEY AUTOINCREMENT, a text CHECK (a <> ''), b blob, r real);
    CREATE VIRTUAL TABLE found USING fts5(a);
    CREATE INDEX by_a ON "we; ird" (a);
    CREATE VIEW v AS SELECT * FROM "we; ird";
    CREATE TRIGGER indexed AFTER INSERT ON "we; ird" BEGIN SELECT 1; INSERT INTO found VALUES (new.a); END;
"""
_ROWS = 60


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "edms.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
        rows = [(f"it's;\n -- x{number}", bytes([0, number]), number / 3) for number in range(_ROWS)]
        connection.executemany('INSERT INTO "we; ird" (a, b, r) VALUES (?, ?, ?)', rows)
        connection.commit()
    return path


def _text(database: Path, change: Callable[[str], str] = lambda text: text) -> Path:
    done = subprocess.run(["sqlite3", str(database), ".dump"], check=True, capture_output=True, text=True)
    path = database.with_suffix(".sql")
    path.write_text(change(done.stdout))
    return path


def _restore(path: Path, form: DumpForm) -> tuple[list[str], tuple[Finding, ...]]:
    folder = path.parent / "throwaway"
    folder.mkdir()
    with restored_dump(dump_of(path, form), None, folder) as restored:
        dumped = _dumped(Path(restored.address.name))
    assert [*folder.iterdir()] == []
    return dumped, (*restored.contents.findings, *restored.findings)


def _dumped(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [*connection.iterdump()]


def _codes(findings: tuple[Finding, ...]) -> set[str]:
    return {one.code for one in findings if one.severity == "error"}


def test_a_text_is_restored_exactly(database: Path) -> None:
    path = compressed(_text(database))

    contents = examine_dump(dump_of(path, "sqlite-text"))
    dumped, findings = _restore(path, "sqlite-text")

    assert contents.rows["we; ird"] == _ROWS
    assert dumped == _dumped(database)
    assert not _codes(findings)


def test_definitions_that_stand_before_their_tables_and_again_are_made_once_and_write_no_rows(tmp_path: Path) -> None:
    # The form of django-dbbackup 3.3.0: all indexes, views and triggers behind each table.
    definitions = (
        'CREATE UNIQUE INDEX "one_code" ON "second" ("code");\nCREATE INDEX IF NOT EXISTS "by_name" ON "first" ("name");\n'
        'CREATE VIEW "both" AS SELECT * FROM "first", "second";\n'
        'CREATE TRIGGER "told" AFTER INSERT ON "second" BEGIN\n    INSERT INTO "first" (name) VALUES (new.code);\nEND;\n'
    )
    path = tmp_path / "old.dump"
    path.write_text(
        'CREATE TABLE IF NOT EXISTS "first" ("id" integer PRIMARY KEY, "name" text);\n'
        f"INSERT INTO \"first\" VALUES(1,'a');\n{definitions}"
        'CREATE TABLE IF NOT EXISTS "second" ("id" integer PRIMARY KEY, "code" text);\n'
        f"INSERT INTO \"second\" VALUES(7,'b');\n{definitions}"
    )

    dumped, findings = _restore(path, "sqlite-text")

    assert _codes(findings) == set()
    assert [line for line in dumped if line.startswith("INSERT")] == [
        "INSERT INTO \"first\" VALUES(1,'a');",
        "INSERT INTO \"second\" VALUES(7,'b');",
    ]
    kinds = [" ".join(line.split()[:2]) for line in dumped if line.startswith("CREATE")]
    assert sorted(kinds) == ["CREATE INDEX", *["CREATE TABLE"] * 2, "CREATE TRIGGER", "CREATE UNIQUE", "CREATE VIEW"]


def test_a_file_is_restored_exactly_and_left_as_it_was(database: Path) -> None:
    before = database.read_bytes()

    dumped, findings = _restore(database, "sqlite-file")

    assert dumped == _dumped(database)
    assert database.read_bytes() == before
    assert not _codes(findings)


def _copied_in_wal_mode(database: Path, folder: Path) -> Path:
    """A copy of a file and its log while the EDMS had it open, with a row that is in the log only."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute('INSERT INTO "we; ird" (a) VALUES (?)', ("in the log",))
        connection.commit()
        folder.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{database}{suffix}", folder / f"{database.name}{suffix}")
    return folder / database.name


def test_the_log_beside_a_file_is_used(database: Path, tmp_path: Path) -> None:
    copy = _copied_in_wal_mode(database, tmp_path / "copy")

    dumped, findings = _restore(copy, "sqlite-file")

    assert any("in the log" in line for line in dumped)
    assert not _codes(findings)
    assert Path(f"{copy}-wal").stat().st_size


def test_a_file_without_its_log_is_called_so(database: Path, tmp_path: Path) -> None:
    copy = _copied_in_wal_mode(database, tmp_path / "copy")
    Path(f"{copy}-wal").unlink()

    _, findings = _restore(copy, "sqlite-file")

    assert "dump-log-missing" in {one.code for one in findings}


def test_a_log_that_is_of_no_use_is_a_loss(database: Path, tmp_path: Path) -> None:
    copy = _copied_in_wal_mode(database, tmp_path / "copy")
    log = Path(f"{copy}-wal")
    log.write_bytes(log.read_bytes()[:16] + b"other salt" + log.read_bytes()[26:])

    _, findings = _restore(copy, "sqlite-file")

    assert "dump-log-ignored" in _codes(findings)


@pytest.mark.parametrize("keep", [0, 50, 3000, 20_000])
def test_a_cut_file_is_refused(database: Path, keep: int) -> None:
    database.write_bytes(database.read_bytes()[:keep])

    with pytest.raises(UnreadableBackup):
        _restore(database, "sqlite-file")


HOSTILE = [
    "ATTACH '/tmp/x' AS x;",
    "PRAGMA journal_mode = DELETE;",
    "SELECT load_extension('x');",
    "DELETE FROM t;",
    "VACUUM INTO '/tmp/x';",
    "DETACH main;",
    ".shell id",
    "UPDATE t SET a = 1;",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_what_no_dump_needs_is_refused(statement: str, database: Path) -> None:
    path = _text(database, lambda text: text.replace("COMMIT;", f"{statement}\nCOMMIT;"))

    with pytest.raises(DumpRefused):
        examine_dump(dump_of(path, "sqlite-text"))


REACHING = [
    "CREATE VIEW x AS SELECT load_extension('x');\nINSERT INTO \"we; ird\" (a) SELECT load_extension('x') FROM x;",
    "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd');",
    "INSERT INTO \"we; ird\" (a) VALUES (load_extension('/tmp/x.so'));",
    "INSERT INTO \"we; ird\" (a) VALUES (readfile('/etc/passwd'));",
]


@pytest.mark.parametrize("statement", REACHING)
def test_what_reaches_out_fails_by_name(statement: str, database: Path) -> None:
    path = _text(database, lambda text: text.replace("COMMIT;", f"{statement}\nCOMMIT;"))

    _, findings = _restore(path, "sqlite-text")

    assert _codes(findings) & {"dump-statement-failed", "dump-rows-refused"}


DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "the last line is missing": (lambda text: text.replace("COMMIT;", ""), "dump-cut"),
    "it ends inside a row": (lambda text: text[: text.index("-- x30")], "dump-cut"),
    "sqlite3 gave up": (lambda text: text.replace("COMMIT;", "ROLLBACK; -- due to errors"), "dump-damaged"),
    "sqlite3 met damage": (
        lambda text: text.replace("COMMIT;", "/****** CORRUPTION ERROR *******/\n/***** ERROR: (11) *****/\nCOMMIT;"),
        "dump-damaged",
    ),
    "a row is refused": (lambda text: text.replace("VALUES(7,", "VALUES(8,", 1), "dump-rows-refused"),
    "a table is not created": (
        lambda text: text.replace("r real)", "r real, nothing at all, nothing)"),
        "dump-statement-failed",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_every_damage_of_a_text_is_named(what: str, database: Path) -> None:
    change, code = DAMAGE[what]

    _, findings = _restore(_text(database, change), "sqlite-text")

    assert code in _codes(findings)


def test_a_cut_compressed_text_is_restored_up_to_the_cut(database: Path) -> None:
    path = compressed(_text(database))
    path.write_bytes(path.read_bytes()[:-100])

    dumped, findings = _restore(path, "sqlite-text")

    assert "dump-damaged" in _codes(findings)
    assert any("CREATE TABLE" in line for line in dumped)
