"""Files of the real django-dbbackup 5.4 (Django 5.2, SQLite, PostgreSQL 15): three papers, two scans."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import DumpLimits, restored_dump
from edms_tasks.errors import UnreadableBackup
from edms_tasks.legacy.dbbackup_reader import DbbackupReader
from edms_tasks.legacy.engine_dump_reader import dump_in
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.source import Source
from tests.postgres_server import PostgresServer

FILES = Path(__file__).with_name("dbbackup_files")
MEDIA = "edms1-2026-11-30-083902.tar.gz"
PAPERS = [
    (1, "P-1", "it's; a\n-- title \\ \t x", 0.1 + 0.2, "scans/a.txt"),
    (2, "P-2", "ünï", 0.1 + 0.2, "scans/ü b.txt"),
    (3, "P-3", "", 0.1 + 0.2, ""),
]
_PAPERS = "SELECT id, number, title, weight, scan FROM paper_paper ORDER BY id"


def read(path: Path, folder: Path, *, look_only: bool = False) -> OldBackup:
    folder.mkdir()
    reader = recognise(path)[0][0]
    assert isinstance(reader, DbbackupReader)
    return reader.read(Source(path), Scratch(folder, look_only=look_only))


def losses(old: OldBackup) -> set[str]:
    return {one.code for one in old.losses}


def _restored(old: OldBackup, folder: Path) -> list[tuple[object, ...]]:
    assert old.dump is not None
    assert old.dump.path is not None
    folder.mkdir()
    with (
        restored_dump(dump_in(old.dump.form, old.dump.path, DumpLimits()), None, folder) as restored,
        closing(sqlite3.connect(restored.address.name)) as connection,
    ):
        assert not [one for one in restored.findings if one.severity == "error"]
        return connection.execute(_PAPERS).fetchall()


@pytest.mark.parametrize("name", ["default-edms1-2026-11-30-083855.dump", "default-edms1-2026-11-30-083857.dump.gz"])
def test_dumps_of_sqlite_come_back(name: str, tmp_path: Path) -> None:
    old = read(FILES / name, tmp_path / "scratch")

    assert _restored(old, tmp_path / "throwaway") == PAPERS
    assert old.facts["connector"].startswith("dbbackup.db.sqlite")
    assert not losses(old)
    assert bool(old.inexact) == name.endswith(".dump")


@pytest.mark.parametrize(
    "name", ["default-edms1-2026-11-30-083912.psql", "default-edms1-2026-11-30-083914.psql.bin.gz"]
)
def test_dumps_of_postgres_come_back(name: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    old = read(FILES / name, tmp_path / "scratch")
    assert old.dump is not None
    assert old.dump.path is not None
    server = DatabaseAddress.from_url(postgres_server.url())

    with (
        restored_dump(dump_in(old.dump.form, old.dump.path, DumpLimits()), server, tmp_path) as restored,
        psycopg.connect(restored.address.conninfo()) as connection,
    ):
        papers = connection.execute(_PAPERS).fetchall()

    assert papers == PAPERS
    assert not losses(old)
    assert not [one for one in restored.findings if one.severity == "error"]


def test_a_fixture_gives_its_rows(tmp_path: Path) -> None:
    old = read(FILES / "default-edms1-2026-11-30-083900.json", tmp_path / "scratch")

    assert {rows.model: rows.rows for rows in old.rows}["paper.paper"] == 3
    assert old.cut_times


def test_metadata_that_are_nested_too_deeply_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "default-edms1-2026-11-30-083857.dump.gz"
    shutil.copy(FILES / path.name, path)
    Path(f"{path}.metadata").write_text("[" * 100_000)

    old = read(path, tmp_path / "scratch")

    assert "connector" not in old.facts
    assert not losses(old)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a run, with an earlier backup beside it."""
    made = tmp_path / "backups"
    made.mkdir()
    for name in ("default-edms1-2026-11-30-083855.dump", MEDIA):
        shutil.copy(FILES / name, made)
    shutil.copy(made / "default-edms1-2026-11-30-083855.dump", made / "default-edms1-2026-11-29-083855.dump")
    return made


def test_a_folder_gives_its_newest_dump_and_media(folder: Path, tmp_path: Path) -> None:
    old = read(folder, tmp_path / "scratch")

    assert _restored(old, tmp_path / "throwaway") == PAPERS
    (media,) = old.folders
    assert media.path is not None
    assert {path.name: path.read_text() for path in (media.path / "scans").iterdir()} == {
        "a.txt": "scan a",
        "ü b.txt": "scan b",
    }
    (beside,) = [one for one in old.findings if one.code == "old-others-beside"]
    assert beside.examples == ("default-edms1-2026-11-29-083855.dump",)
    assert not losses(old)


def test_dump_and_media_of_different_days_are_called_so(folder: Path, tmp_path: Path) -> None:
    (folder / MEDIA).rename(folder / "edms1-2026-11-20-083902.tar.gz")

    old = read(folder, tmp_path / "scratch", look_only=True)

    assert "old-parts-apart" in {one.code for one in old.findings}


def test_media_alone_hold_no_rows(tmp_path: Path) -> None:
    old = read(FILES / MEDIA, tmp_path / "scratch", look_only=True)

    assert old.folders[0].files == 2
    assert losses(old) == {"old-no-rows"}


@pytest.mark.parametrize("keep", [0, 20, 300, 700])
@pytest.mark.parametrize(
    "name", ["default-edms1-2026-11-30-083857.dump.gz", "default-edms1-2026-11-30-083914.psql.bin.gz", MEDIA]
)
def test_a_cut_file_never_passes_for_a_whole_one(name: str, keep: int, tmp_path: Path) -> None:
    whole = (FILES / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: min(keep, len(whole) - 1)])

    found = recognise(path)
    try:
        old = read(path, tmp_path / "scratch") if found and isinstance(found[0][0], DbbackupReader) else None
    except UnreadableBackup:
        return
    assert old is None or losses(old)


def test_a_text_cut_between_two_statements_is_not_called_whole(tmp_path: Path) -> None:
    path = tmp_path / "default-edms1-2026-11-30-083855.dump"
    path.write_bytes(b"".join((FILES / path.name).read_bytes().splitlines(keepends=True)[:3]))

    old = read(path, tmp_path / "scratch")

    assert "dump-without-end" in {one.code for one in old.findings}


@pytest.fixture
def key_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A key ring of its own with a key."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    # Not in the tests' folder: the path of the agent's socket may not be long.
    home = Path(f"/tmp/edms-gpg-{os.getpid()}")
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    subprocess.run(
        [
            "gpg",
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "backup@example.org",
            "rsa2048",
            "encrypt",
            "never",
        ],
        check=True,
        capture_output=True,
    )
    yield home
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, capture_output=True)
    shutil.rmtree(home, ignore_errors=True)  # its agent removes its socket at the same time


def test_an_encrypted_file_is_decrypted_with_a_key_of_this_user(
    key_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = tmp_path / "default-edms1-2026-11-30-083857.dump.gz.gpg"
    plain = FILES / sealed.with_suffix("").name
    to = ["--trust-model", "always", "--recipient", "backup@example.org"]
    subprocess.run(["gpg", "--batch", *to, "--output", sealed, "--encrypt", plain], check=True, capture_output=True)

    old = read(sealed, tmp_path / "scratch")

    assert _restored(old, tmp_path / "throwaway") == PAPERS
    monkeypatch.setenv("GNUPGHOME", str(tmp_path))
    tmp_path.chmod(0o700)
    with pytest.raises(UnreadableBackup, match="gpg --import"):
        read(sealed, tmp_path / "again")
