"""Ids in columns of floating-point numbers and of bytes: found, followed where they can be, and said where nothing could look."""

from __future__ import annotations

import io
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console

from edms_tasks.merging.planning import MergePlan
from edms_tasks.settings import Settings, settings_from
from flows.cli.printing.merge_plan import print_search_coverage
from flows.merge import MergeResult
from tests.inventory.small_project import run_python, small_project
from tests.reference_system import LazyPostgres
from tests.running import run_backup, run_doctor, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Envelope(models.Model):
    id = models.UUIDField(primary_key=True)
    number = models.CharField(max_length=20, unique=True)
class Scan(models.Model):
    name = models.CharField(max_length=20, unique=True)
    document_ref = models.FloatField(null=True)
    weight = models.FloatField(default=0)
    payload = models.BinaryField(default=b"")
    envelope = models.BinaryField(default=b"")
    picture = models.BinaryField(default=b"")
"""
ROWS = """
import json, uuid
Document.objects.all().delete(); Scan.objects.all().delete(); Envelope.objects.all().delete()
for n in range(3, 9):
    Document.objects.create(pk=n, number=f"{who}{n}")
    envelope = Envelope.objects.create(pk=uuid.uuid4(), number=str(n))
    Scan.objects.create(
        name=f"{who}{n}", document_ref=n, weight=n / 4, payload=json.dumps({"document_id": n, "é": "x"}).encode(),
        envelope=envelope.pk.bytes, picture=bytes([0x89, 0, n, 255]) * 9,
    )
"""
IN_BYTES = ("small.Scan.payload", "small.Scan.envelope")
DECLARED = {"column": "small.Scan.document_ref", "target": "small.Document"}


@dataclass(frozen=True)
class Archive:
    """A snapshot of one system, and another under the same ids."""

    folder: Path
    snapshot: str
    edms: dict[str, Any]

    def settings(self, *declared: dict[str, str]) -> Settings:
        return _settings(self.folder, self.edms, *declared)

    def merge(self, *declared: dict[str, str], **options: Any) -> MergeResult:
        return run_merge(self.settings(*declared), snapshot=self.snapshot, **options)

    def referred(self) -> set[str]:
        """`scan -> document`, as the EDMS's own code sees it."""
        rows = "print([f'{one.name} -> {Document.objects.get(pk=int(one.document_ref)).number}' for one in Scan.objects.all()])"
        said: list[str] = eval(run_python(self.folder / "edms", rows).splitlines()[-1])
        return set(said)


def _settings(folder: Path, edms: dict[str, Any], *declared: dict[str, str]) -> Settings:
    return settings_from(
        {
            "edms": edms,
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
            "validate": {"django_check": False},
            "soft_references": [*declared],
        },
        where=folder / "edms-backup.toml",
    )


@contextmanager
def _made(engine: str, folder: Path, postgres: LazyPostgres) -> Iterator[Archive]:
    more, name = "", f"numbers_{secrets.token_hex(4)}"
    if engine == "postgresql":
        login = conninfo_to_dict(postgres.server.create_database(name))
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": login["dbname"]}
        database |= {name.upper(): login[name] for name in ("user", "password", "host", "port")}
        more = f'DATABASES["default"] = {database!r}\n'
    edms = small_project(folder / "edms", MODELS, f"who = 'A'{ROWS}", settings=more).edms.model_dump()
    snapshot = run_backup(_settings(folder, edms), create_repository=True).snapshot_id
    run_python(folder / "edms", f"who = 'B'{ROWS}")
    yield Archive(folder, snapshot, edms)
    if engine == "postgresql":
        postgres.server.drop_databases(name)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def unchanged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres
) -> Iterator[Archive]:
    """One of each engine, for tests that change nothing."""
    with _made(request.param, tmp_path_factory.mktemp(request.param), _lazy_postgres) as made:
        yield made


@pytest.fixture(scope="module")
def planned(unchanged: Archive) -> MergePlan:
    """The plan of a merge in which nothing is declared."""
    return unchanged.merge(dry_run=True).plan


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def archive(request: pytest.FixtureRequest, tmp_path: Path, _lazy_postgres: LazyPostgres) -> Iterator[Archive]:
    with _made(request.param, tmp_path, _lazy_postgres) as made:
        yield made


@pytest.mark.long
def test_ids_in_numbers_and_bytes_are_conflicts_by_name(planned: MergePlan) -> None:
    found = {one.model: one for one in planned.conflicts}

    assert set(found) == {"small.Scan.document_ref", "small.Scan.payload", "small.Scan.envelope"}
    assert {one.code for one in found.values()} == {"undeclared-reference"}
    assert "small.Document" in found["small.Scan.document_ref"].message
    assert "after the merge" in found["small.Scan.payload"].fix, "ids in bytes cannot be declared"


@pytest.mark.long
def test_uuids_as_their_sixteen_bytes_are_ids(archive: Archive) -> None:
    run_python(archive.folder / "edms", "import uuid\nfor one in Envelope.objects.all(): one.delete()")

    found = {one.model for one in archive.merge(dry_run=True).plan.conflicts}

    assert "small.Scan.envelope" not in found, "they keep their ids where nobody has them"


def test_what_could_not_be_read_is_said(planned: MergePlan) -> None:
    looked = planned.looked

    assert looked.unread == ("small.Scan.picture",)
    printed = io.StringIO()
    print_search_coverage(Console(file=printed, width=200), looked)
    assert "no ids were looked for: small.Scan.picture" in printed.getvalue()


def test_declared_ids_in_numbers_follow_their_rows(archive: Archive) -> None:
    result = archive.merge(DECLARED, not_references=IN_BYTES)

    assert result.plan.conflicts == ()
    assert result.done
    assert archive.referred() == {f"{who}{n} -> {who}{n}" for who in "AB" for n in range(3, 9)}
    assert archive.merge(DECLARED, not_references=IN_BYTES, dry_run=True).plan.writes == 0


def test_the_doctor_suggests_them(unchanged: Archive) -> None:
    said = {
        one.subject: one
        for one in run_doctor(unchanged.settings()).diagnosis.assessments
        if one.code == "soft-reference"
    }

    assert set(said) == {"small.Scan.document_ref", "small.Scan.payload", "small.Scan.envelope"}
    assert [name for name, one in said.items() if one.settings_fix is not None] == ["small.Scan.document_ref"]
    assert 'target = "small.Document"' in said["small.Scan.document_ref"].fix


def test_bytes_in_a_column_of_texts_are_read_too(tmp_path: Path) -> None:
    models = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Note(models.Model):
    name = models.CharField(max_length=20, unique=True)
    state = models.TextField()
"""
    edms = small_project(tmp_path / "edms", models).edms.model_dump()
    for who in "AB":
        with closing(sqlite3.connect(tmp_path / "edms" / "db.sqlite3")) as lite, lite:
            for table in ("document", "note"):
                lite.execute(f"DELETE FROM small_{table}")
            lite.execute("INSERT INTO small_document VALUES (3, ?)", (who,))
            lite.execute("INSERT INTO small_note VALUES (1, ?, ?)", (f"{who} json", b'{"document_id": 3}'))
            lite.execute("INSERT INTO small_note VALUES (2, ?, ?)", (f"{who} raw", b"\x80\x03]"))
        if who == "A":
            snapshot = run_backup(_settings(tmp_path, edms), create_repository=True).snapshot_id

    plan = run_merge(_settings(tmp_path, edms), snapshot=snapshot, dry_run=True).plan

    assert [one.model for one in plan.conflicts] == ["small.Note.state"]
    assert plan.looked.unread == ("small.Note.state",)
