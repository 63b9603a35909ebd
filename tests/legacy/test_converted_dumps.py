"""A dump of the EDMS becomes a snapshot, and what is restored from that equals what was dumped, by an independent comparison."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import Scratch
from edms_tasks.legacy.source import Source
from flows.backing_up.backup_result import BackupResult
from flows.backup import make_snapshot_of
from flows.converting.dump_source import restored_dump
from flows.converting.loaded_source import source_of_old
from flows.running.run import Run
from tests.independent_comparison import differences, picture_of_postgres, picture_of_sqlite
from tests.legacy.dumps_of import pg_dump
from tests.postgres_server import PostgresServer
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, protect, run_restore, run_verify


def convert(protected: Protected, path: Path, folder: Path) -> BackupResult:
    """As `edms-backup convert` does."""
    run = Run(protected.settings)
    reader = recognise(path)[0][0]
    folder.mkdir()
    old = reader.read(Source(path), Scratch(folder))
    assert old.dump is not None
    (folder / "database").mkdir()
    with restored_dump(run, old.dump, folder / "database") as restored:
        source = source_of_old(run, restored.address, old, restored.findings, path, report=restored.report)
        return make_snapshot_of(run, source, "old")


def _losses(made: BackupResult) -> list[str]:
    return [f"{one.code}: {one.message}" for one in made.manifest.findings if one.severity == "error"]


def test_a_dump_of_postgres_comes_back(
    edms_factory: ReferenceEdmsFactory, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    protected = protect(edms_factory("postgresql", documents=5), tmp_path / "protected")
    before = picture_of_postgres(protected.edms.database_url)
    path = pg_dump(postgres_server, protected.edms.database_url, tmp_path / "edms.dump", "--format=custom")
    with psycopg.connect(protected.edms.database_url, autocommit=True) as connection:
        connection.execute("UPDATE documents_document SET title = title || ' later'")

    made = convert(protected, path, tmp_path / "scratch")
    name = f"{protected.edms.database_name}_back"
    restored = run_restore(protected.settings, snapshot=made.snapshot_id, into=name, into_files=tmp_path / "files")

    assert made.verified
    assert not _losses(made)
    assert made.manifest.converted is not None
    assert (restored.verdict, [*restored.failures]) == ("proved", [])
    after = picture_of_postgres(protected.edms.database_url.replace(protected.edms.database_name, name))
    assert differences(before, after) == []
    assert b"edms_dump_" not in made.manifest.to_json()


def test_a_file_of_sqlite_comes_back(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory("sqlite", documents=5), tmp_path / "protected")
    path = tmp_path / "old.sqlite3"
    shutil.copyfile(protected.edms.database_path, path)
    before = picture_of_sqlite(path)
    with closing(sqlite3.connect(protected.edms.database_path)) as connection:
        connection.execute("UPDATE documents_document SET title = title || ' later'")
        connection.commit()

    made = convert(protected, path, tmp_path / "scratch")
    run_restore(protected.settings, snapshot=made.snapshot_id, into=str(tmp_path / "back.sqlite3"))

    assert not _losses(made)
    assert run_verify(protected.settings).success
    assert differences(before, picture_of_sqlite(tmp_path / "back.sqlite3")) == []


def test_a_dump_is_converted_without_the_edms(
    edms_factory: ReferenceEdmsFactory, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    edms = edms_factory("postgresql", documents=5)
    protected = protect(edms, tmp_path / "protected")
    protected.config.write_text(
        f'[edms]\npython = "/nowhere/python"\n[repository]\nurl = "{protected.repository}"\n[restore]\ndatabase = "{edms.database_url}"\n'
    )
    path = pg_dump(postgres_server, edms.database_url, tmp_path / "edms.dump", "--format=custom")

    made = convert(protected, path, tmp_path / "scratch")
    name = f"{edms.database_name}_back"
    restored = run_restore(protected.settings, snapshot=made.snapshot_id, into=name, into_files=tmp_path / "files")

    assert not _losses(made)
    assert "dump-without-edms" in {one.code for one in made.manifest.findings}
    assert restored.verdict == "proved"
    after = picture_of_postgres(edms.database_url.replace(edms.database_name, name))
    assert differences(picture_of_postgres(edms.database_url), after) == []
