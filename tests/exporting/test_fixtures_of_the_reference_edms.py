"""A snapshot as fixtures, judged by Django: its own dumpdata says the same, and its loaddata brings the same EDMS back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.fixtures import FixtureResult, export_fixtures
from flows.requests import FixtureRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.exporting.fixture_rows import Rows, cut, differences, differing_tables, rows_of
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


def exported(protected: Protected, target: Path, **options: Any) -> FixtureResult:
    return export_fixtures.fn(Run(protected.settings), FixtureRequest(target=str(target), **options))


def dumped(edms: ReferenceEdms, folder: Path, *options: str) -> Rows:
    target = folder / "django.jsonl"
    edms.manage("dumpdata", "--all", "--format", "jsonl", *options, "--output", str(target))
    return rows_of(target)


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_a_fixture_says_what_djangos_dumpdata_says_and_keeps_the_microseconds(
    engine: Engine, backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up(engine).protected

    result = exported(protected, tmp_path / "all.jsonl", without_files=True)

    ours, theirs = rows_of(tmp_path / "all.jsonl"), dumped(protected.edms, tmp_path)
    differing = differences(cut(ours), theirs)
    assert not differing, "\n".join(differing)
    assert len(ours) == result.rows > 250


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_loaddata_brings_every_row_and_every_file_back_into_an_emptied_edms(
    engine: Engine, backed_up: BackedUpSystems, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    backed = backed_up(engine)
    result = exported(backed.protected, tmp_path / "fixtures")
    target = emptied(edms_factory(engine, populate=False))

    target.manage("loaddata", str(tmp_path / "fixtures" / "data.jsonl"))

    assert result.losses == ()
    assert shown(tmp_path / "fixtures" / "files" / "media") == shown(backed.protected.edms.media)
    assert differing_tables(backed.first.manifest, protect(target, tmp_path / "again").backup().manifest) == set()


def emptied(edms: ReferenceEdms) -> ReferenceEdms:
    """An EDMS whose migrations have run, without any row: flush makes content types and permissions again, which are in the way."""
    edms.manage("flush", "--noinput")
    types = "from django.contrib.contenttypes.models import ContentType; ContentType.objects.all().delete()"
    edms.manage("shell", "-c", types)
    return edms


def shown(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
