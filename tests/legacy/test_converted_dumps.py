"""A dump of the EDMS becomes a snapshot, and what is restored from that equals what was dumped, by an independent comparison."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import ToolMissing
from flows.convert import ConvertResult
from flows.convert import convert as converting
from flows.requests import ConvertRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture_of_files, picture_of_postgres, picture_of_sqlite
from tests.legacy.dumps_of import pg_dump
from tests.legacy.test_packed_dumps import tar
from tests.postgres_server import PostgresServer
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, protect, run_restore, run_verify


def convert(protected: Protected, path: Path) -> ConvertResult:
    return converting.fn(Run(protected.settings), ConvertRequest(path=str(path)))


def _losses(made: ConvertResult) -> list[str]:
    return [f"{one.code}: {one.message}" for one in made.losses]


@pytest.mark.long
def test_rows_and_files_of_a_script_s_archive_come_back(
    edms_factory: ReferenceEdmsFactory, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    protected = protect(edms_factory("postgresql", documents=5), tmp_path / "protected")
    media = protected.edms.media
    before, files = picture_of_postgres(protected.edms.database_url), picture_of_files(media)
    dump = pg_dump(postgres_server, protected.edms.database_url, tmp_path / "database.dump", "--format=custom")
    stored = {f"storage/media/{one.relative_to(media)}": one.read_bytes() for one in media.rglob("*") if one.is_file()}
    about = {"created_by": "backup-hybrid.sh", "timestamp": "20240229_123456", "storage_file_count": len(stored)}
    path = tmp_path / "backup_20240229_123456.tar.gz"
    parts = {
        "database.dump": dump.read_bytes(),
        "storage.tar.gz": tar(stored),
        "manifest.json": json.dumps(about).encode(),
    }
    path.write_bytes(tar({f"tmp_20240229_123456/{name}": content for name, content in parts.items()}))
    with psycopg.connect(protected.edms.database_url, autocommit=True) as connection:
        connection.execute("UPDATE documents_document SET title = title || ' later'")

    made = convert(protected, path)
    name = f"{protected.edms.database_name}_back"
    restored = run_restore(protected.settings, snapshot=made.snapshot_id, into=name, into_files=tmp_path / "files")

    # Some rows of this EDMS name files that it never had; of an old backup nobody can tell that from a loss.
    assert {one.code for one in made.losses} <= {"old-files-missing"}
    assert not [name for one in made.losses for name in one.examples if (media / name).exists()]
    assert made.made is not None
    assert made.made.verified
    assert made.made.manifest.converted is not None
    assert made.made.manifest.converted.made == datetime(2024, 2, 29, 12, 34, 56).astimezone(UTC)
    assert b"edms_dump_" not in made.made.manifest.to_json()
    assert (restored.verdict, [*restored.failures]) == ("proved", [])
    after = picture_of_postgres(protected.edms.database_url.replace(protected.edms.database_name, name))
    assert differences(before, after) == []
    assert _only_files(picture_of_files(tmp_path / "files" / "media")) == _only_files(files)


def _only_files(found: dict[str, tuple[str, int, str]]) -> dict[str, tuple[str, int, str]]:
    """Without folders: an archive of files has no empty ones."""
    return {path: facts for path, facts in found.items() if facts[0] == "file"}


@pytest.mark.long
def test_a_file_of_sqlite_comes_back(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory("sqlite", documents=5), tmp_path / "protected")
    path = tmp_path / "old.sqlite3"
    shutil.copyfile(protected.edms.database_path, path)
    before = picture_of_sqlite(path)
    with closing(sqlite3.connect(protected.edms.database_path)) as connection:
        connection.execute("UPDATE documents_document SET title = title || ' later'")
        connection.commit()

    made = convert(protected, path)
    run_restore(protected.settings, snapshot=made.snapshot_id, into=str(tmp_path / "back.sqlite3"))

    assert not _losses(made)
    assert run_verify(protected.settings).success
    assert differences(before, picture_of_sqlite(tmp_path / "back.sqlite3")) == []


def test_only_the_folder_of_the_settings_is_searched_for_pg_restore(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    settings = backed_up("sqlite").protected.settings
    elsewhere = settings.model_copy(update={"edms": settings.edms.model_copy(update={"client_programs": tmp_path})})
    dump = Path(__file__).with_name("dbbackup_files") / "default-edms1-2026-11-30-083914.psql.bin.gz"

    with pytest.raises(ToolMissing, match="pg_restore"):
        converting.fn(Run(elsewhere), ConvertRequest(path=str(dump), inspect=True))


def test_a_dump_is_converted_without_the_edms(
    edms_factory: ReferenceEdmsFactory, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    edms = edms_factory("postgresql", documents=5)
    protected = protect(edms, tmp_path / "protected")
    protected.config.write_text(
        f'[edms]\npython = "/nowhere/python"\n[repository]\nurl = "{protected.repository}"\n[restore]\ndatabase = "{edms.database_url}"\n'
    )
    path = pg_dump(postgres_server, edms.database_url, tmp_path / "edms.sql")

    made = convert(protected, path)
    name = f"{edms.database_name}_back"
    restored = run_restore(protected.settings, snapshot=made.snapshot_id, into=name, into_files=tmp_path / "files")

    assert not _losses(made)
    assert "dump-without-edms" in {one.code for one in made.findings}
    assert restored.verdict == "proved"
    after = picture_of_postgres(edms.database_url.replace(edms.database_name, name))
    assert differences(picture_of_postgres(edms.database_url), after) == []
