"""Backups of shell scripts: made by a small generator from their layout, with a real dump."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import UnreadableBackup
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.packed_dumps import PackedDumpReader
from edms_tasks.legacy.source import Source
from tests.legacy.dumps_of import pg_dump
from tests.postgres_server import PostgresServer

_AT = "20240229_123456"
_FILES = {"media/doc/1.pdf": b"one", "media/doc/2.pdf": b"two", "certificates/a.pem": b"c"}
_SECRETS = b"SECRET_KEY=do-not-show\nDEBUG=False\nDB_PASSWORD='do-not-show-either'\nREDIS_URL=${REDIS_URL}\n"


@pytest.fixture(scope="module")
def dumps(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, bytes]]:
    """A dump in each of the two forms."""
    folder = tmp_path_factory.mktemp("packed")
    url = postgres_server.create_database("packed")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE document (id serial PRIMARY KEY, file text)")
        connection.execute("INSERT INTO document (file) VALUES ('doc/1.pdf'), ('doc/2.pdf')")
    plain = pg_dump(postgres_server, url, folder / "plain", "--clean", "--if-exists").read_bytes()
    yield {
        "plain": plain,
        "custom": pg_dump(postgres_server, url, folder / "custom", "--format=custom", "--compress=9").read_bytes(),
    }
    postgres_server.drop_databases("packed")


def tar(members: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def full_system(dumps: Mapping[str, bytes], folder: Path, **changed: bytes) -> Path:
    """backup-system.sh's archive, with its checksum beside it."""
    parts = {
        "./metadata.json": json.dumps({"backup_type": "full_system", "timestamp": _AT, "hostname": "edms1"}).encode(),
        f"./database_{_AT}.sql.gz": gzip.compress(dumps["plain"]),
        f"./storage_{_AT}.tar.gz": tar({f"./storage/{name}": content for name, content in _FILES.items()}),
        f"./config_{_AT}.tar.gz": tar({"./config/.env": _SECRETS}),
    }
    path = folder / f"edms_full_backup_{_AT}.tar.gz"
    path.write_bytes(tar(parts | {f"./{name}": content for name, content in changed.items()}))
    Path(f"{path}.sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return path


def dump_folder(dumps: Mapping[str, bytes], folder: Path, **changed: bytes) -> Path:
    """A folder with `database.dump`, whose archive of files has volumes at its top."""
    path = folder / f"backup_{_AT}"
    (path / "config").mkdir(parents=True)
    (path / "database.dump").write_bytes(dumps["custom"])
    (path / "storage.tar.gz").write_bytes(tar({f"./{name}": content for name, content in _FILES.items()}))
    (path / "config" / ".env").write_bytes(_SECRETS)
    about = {"backup_name": "x", "method": "postgresql_pg_dump", "version": "2.0", "postgres_password": "do-not-show"}
    (path / "backup_metadata.json").write_text(json.dumps(about))
    for name, content in changed.items():
        (path / name).write_bytes(content)
    return path


def hybrid(dumps: Mapping[str, bytes], folder: Path, **changed: bytes) -> Path:
    """backup-hybrid.sh's archive, with the folder of the run."""
    about = {"backup_type": "full", "created_by": "backup-hybrid.sh", "version": "abc1234", "storage_file_count": 3}
    parts = {
        "database.dump": dumps["custom"],
        "storage.tar.gz": tar({f"storage/{name}": content for name, content in _FILES.items()}),
        "manifest.json": json.dumps(about).encode(),
    }
    path = folder / f"backup_{_AT}.tar.gz"
    path.write_bytes(tar({f"tmp_{_AT}/{name}": content for name, content in (parts | changed).items()}))
    return path


def hybrid_with_folder(dumps: Mapping[str, bytes], folder: Path, **changed: bytes) -> Path:
    """The variant with a folder of files in place of an archive."""
    parts = {"database.dump": dumps["custom"], "manifest.json": b"{}"} | {
        f"storage/{name}": text for name, text in _FILES.items()
    }
    path = folder / f"backup_{_AT}.tar.gz"
    path.write_bytes(tar({f"tmp_{_AT}/{name}": content for name, content in (parts | changed).items()}))
    return path


LAYOUTS = [full_system, dump_folder, hybrid, hybrid_with_folder]
Layout = Callable[..., Path]


def read(path: Path, folder: Path, *, look_only: bool = False) -> OldBackup:
    folder.mkdir()
    reader, recognised = recognise(path)[0]
    assert isinstance(reader, PackedDumpReader), recognised
    return reader.read(Source(path), Scratch(folder, look_only=look_only))


def losses(old: OldBackup) -> set[str]:
    return {one.code for one in old.losses}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_and_files_of_each_layout_are_found(layout: Layout, dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    old = read(layout(dumps, tmp_path), tmp_path / "scratch")

    assert old.dump is not None
    assert old.dump.rows == {"public.document": 2}
    (storage,) = old.folders
    assert (storage.name, storage.files, storage.bytes) == ("storage", 3, 7)
    assert storage.path is not None
    assert {
        path.relative_to(storage.path).as_posix(): path.read_bytes() for path in storage.path.rglob("*.p*")
    } == _FILES
    assert not losses(old)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_look_finds_the_same_and_keeps_nothing(layout: Layout, dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    old = read(layout(dumps, tmp_path), tmp_path / "scratch", look_only=True)

    assert old.dump is not None
    assert old.dump.path is None
    assert old.folders[0].files == 3
    assert not (tmp_path / "scratch" / "files").exists()


@pytest.mark.parametrize("layout", [full_system, dump_folder])
def test_secrets_are_named_and_never_shown(layout: Layout, dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    old = read(layout(dumps, tmp_path), tmp_path / "scratch")

    (secret,) = [one for one in old.findings if one.code == "old-secret"]
    assert secret.count == 2
    assert "SECRET_KEY" in secret.examples[0]
    assert "do-not-show" not in repr(old)


def test_a_checksum_that_differs_is_a_loss(dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    path = full_system(dumps, tmp_path)
    Path(f"{path}.sha256").write_text(f"{'0' * 64}  {path.name}\n")

    assert losses(read(path, tmp_path / "scratch")) == {"old-checksum-differs"}


@pytest.mark.parametrize("layout", [dump_folder, hybrid])
def test_an_archive_of_files_of_0_bytes_is_a_loss(layout: Layout, dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    found = losses(read(layout(dumps, tmp_path, **{"storage.tar.gz": b""}), tmp_path / "scratch"))

    assert "old-files-empty" in found


def test_fewer_files_than_it_says_are_a_loss(dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    path = hybrid(dumps, tmp_path, **{"storage.tar.gz": tar({"storage/a": b"a"})})

    assert losses(read(path, tmp_path / "scratch")) == {"old-counts-differ"}


@pytest.mark.parametrize("text", [b'{"storage_file_count": 3', b"[" * 100_000], ids=["cut", "deep"])
def test_metadata_that_cannot_be_read_are_a_loss(text: bytes, dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    path = hybrid(dumps, tmp_path, **{"manifest.json": text})

    assert losses(read(path, tmp_path / "scratch")) == {"old-rows-damaged"}


def test_members_that_climb_out_are_refused(dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    hostile = tar({"storage/../../../evil": b"x", "/etc/evil": b"x", "storage/good": b"y"})

    old = read(hybrid(dumps, tmp_path, **{"storage.tar.gz": hostile, "manifest.json": b"{}"}), tmp_path / "scratch")

    assert losses(old) == {"old-member-refused"}
    assert [path.name for path in tmp_path.rglob("evil")] == []


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_cut_archive_never_passes_for_a_whole_one(keep: float, dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    path = hybrid(dumps, tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    try:
        found = recognise(path)
        old = read(path, tmp_path / "scratch") if found and isinstance(found[0][0], PackedDumpReader) else None
    except UnreadableBackup:
        return
    assert old is None or losses(old)


def test_an_empty_dump_is_named(dumps: Mapping[str, bytes], tmp_path: Path) -> None:
    path = hybrid(dumps, tmp_path, **{"database.dump": b""})

    with pytest.raises(UnreadableBackup, match="empty"):
        read(path, tmp_path / "scratch")
