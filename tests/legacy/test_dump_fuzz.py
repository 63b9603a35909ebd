"""Dumps that are cut anywhere, or have changed bytes: an error or findings, never a crash, and a cut one never passes for a whole one."""

from __future__ import annotations

import gzip
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases.postgresql import dump_restoring
from edms_tasks.errors import EdmsBackupError
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.source import Source
from tests.legacy.test_packed_dumps import tar

FILES = Path(__file__).with_name("dbbackup_files")
_LONGER = 200


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, bytes]]:
    """A whole dump of each kind, by its name."""
    plain = (FILES / "default-edms1-2026-11-30-083912.psql").read_bytes()
    custom = gzip.decompress((FILES / "default-edms1-2026-11-30-083914.psql.bin.gz").read_bytes())
    path = tmp_path_factory.mktemp("fuzz") / "x.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE a (id integer PRIMARY KEY, t text); CREATE INDEX i ON a (t);")
        connection.executemany("INSERT INTO a (t) VALUES (?)", [(f"it's {number}" * 9,) for number in range(90)])
        connection.commit()
        text = "\n".join(connection.iterdump()).encode()
    packed = {
        "database.dump": custom,
        "storage.tar.gz": tar({"storage/media/a": b"a" * 900}),
        "manifest.json": b'{"storage_file_count": 1}',
    }
    yield {
        "edms.sql": plain,
        "edms.sql.gz": gzip.compress(plain),
        "edms.dump": custom,
        "edms.sqlite3": path.read_bytes(),
        "text.sql": text,
        "text.sql.gz": gzip.compress(text),
        "backup_20240229_123456.tar.gz": tar(
            {f"tmp_20240229_123456/{name}": content for name, content in packed.items()}
        ),
    }


NAMES = [
    "edms.sql",
    "edms.sql.gz",
    "edms.dump",
    "edms.sqlite3",
    "text.sql",
    "text.sql.gz",
    "backup_20240229_123456.tar.gz",
]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_restoring, "SILENCE", 3)


def _read(path: Path, folder: Path) -> OldBackup | None:
    """What is found; None if the file is refused by one of our errors."""
    folder.mkdir()
    found = recognise(path)
    try:
        return found[0][0].read(Source(path), Scratch(folder, look_only=True)) if found else None
    except EdmsBackupError:
        return None


def _cut(name: str, whole: bytes, tmp_path: Path, seed: int) -> None:
    keep = random.Random(f"{name} {seed}").randrange(len(whole) - 2)
    path = tmp_path / name
    path.write_bytes(whole[:keep])

    old = _read(path, tmp_path / "scratch")

    is_all_there = b"PostgreSQL database dump complete\n" in whole[:keep]  # and only the last line of it is missing
    assert old is None or old.losses or is_all_there, f"cut after {keep} of {len(whole)} bytes"


def _flip(name: str, whole: bytes, tmp_path: Path, seed: int) -> None:
    chosen = random.Random(f"flip {name} {seed}")
    changed = bytearray(whole)
    for _ in range(chosen.randrange(1, 4)):
        changed[chosen.randrange(len(changed))] ^= 1 << chosen.randrange(8)
    path = tmp_path / name
    path.write_bytes(changed)

    old = _read(path, tmp_path / "scratch")

    if name.endswith(
        ".gz"
    ):  # whose checksum a changed byte does not pass, unless it is in the name or time of the header
        assert old is None or old.losses or bytes(changed[:10]) != whole[:10]


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_dump(name: str, whole: Mapping[str, bytes], tmp_path: Path) -> None:
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _cut(name, whole[name], folder, seed)


@pytest.mark.parametrize("name", NAMES)
def test_a_dump_with_changed_bytes(name: str, whole: Mapping[str, bytes], tmp_path: Path) -> None:
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _flip(name, whole[name], folder, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(_LONGER))
@pytest.mark.parametrize("name", NAMES)
def test_a_dump_cut_and_changed_at_many_places(
    name: str, seed: int, whole: Mapping[str, bytes], tmp_path: Path
) -> None:
    for what in (_cut, _flip):
        folder = tmp_path / what.__name__
        folder.mkdir()
        what(name, whole[name], folder, 1000 + seed)
