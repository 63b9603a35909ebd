"""The worst night: the EDMS's code is gone and so is its database; the repository and a place to restore to are enough."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edms_tasks.errors import EdmsNotImportable
from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture
from tests.postgres_server import PostgresServer
from tests.reference_system import PROJECT, EdmsTemplates, Engine, LazyPostgres, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@pytest.fixture
def another_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A second PostgreSQL server that knows nothing of the first one's databases."""
    with PostgresServer(postgres_server.bin_dir, in_memory=True) as server:
        yield server


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_the_repository_alone_brings_back_everything(
    engine: Engine,
    edms_factory: ReferenceEdmsFactory,
    _lazy_postgres: LazyPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edms = _with_code_of_its_own(edms_factory(engine, documents=5), tmp_path)
    protected = protect(edms, tmp_path)
    before = picture(edms)
    protected.backup()

    _lose_everything_but_the_repository(protected, _lazy_postgres)
    after_all = _with_nothing_but_the_repository(protected, tmp_path / "another machine")
    with pytest.raises(EdmsNotImportable) as told:
        after_all.restore()
    _say_where_to(monkeypatch, edms.database_url, edms.media)
    result = after_all.restore()

    assert "EDMS_BACKUP__RESTORE__DATABASE" in told.value.fix
    assert (result.success, result.promoted, result.failures) == (True, True, ())
    assert differences(before, picture(edms)) == []
    assert any("migrations and `check` were not run" in note for note in result.notes), result.notes
    for report in (result.report_html, result.report_json):
        assert "migrations and `check` were not run" in report.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Backed:
    """A system with code of its own, and what it was when it was backed up."""

    protected: Protected
    before: dict[str, object]


@pytest.fixture(scope="module")
def with_code_of_its_own(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Backed:
    """Its restores bring it back as it was; its code comes back in each test."""
    folder = tmp_path_factory.mktemp("code_is_lost")
    edms = _edms_templates.copy(_edms_templates.get("sqlite", 5, 1), folder / "edms", "unused")
    protected = protect(_with_code_of_its_own(edms, folder), folder)
    before = picture(edms)
    protected.backup()
    return Backed(protected, before)


@pytest.mark.parametrize("lost", ["the folder", "the interpreter", "a module"])
def test_a_restore_needs_no_code_of_the_edms(
    lost: str, with_code_of_its_own: Backed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected = with_code_of_its_own.protected
    edms = protected.edms
    _write_code(edms.project)
    edms.database_path.unlink()
    match lost:
        case "the folder":
            edms.project.rename(tmp_path / "moved away")
        case "the interpreter":
            monkeypatch.setenv("EDMS_BACKUP__EDMS__PYTHON", str(tmp_path / "venv" / "bin" / "python"))
        case _:
            shutil.rmtree(edms.project / "workflows")
    _say_where_to(monkeypatch, edms.database_url, edms.media)

    result = protected.restore()

    assert result.success and result.promoted
    assert differences(with_code_of_its_own.before, picture(edms)) == []


@pytest.mark.long  # one without a role of the EDMS, in databases/test_postgresql_new_server
def test_another_postgresql_server_takes_it_all(
    backed_up: BackedUpSystems,
    another_server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    protected = backed_up("postgresql").protected
    edms = protected.edms
    before = picture(edms)

    moved = replace(edms, database_url=another_server.url("edms_reborn"), media=tmp_path / "another machine" / "media")
    after_all = _with_nothing_but_the_repository(protected, tmp_path / "another machine")
    _say_where_to(monkeypatch, moved.database_url, moved.media)
    result = after_all.restore()

    assert (result.success, result.promoted, result.failures) == (True, True, ())
    assert differences(before, picture(moved)) == []
    assert differences(before, picture(edms)) == [], "the first server must not have been touched"
    assert another_server.databases() == ["edms_reborn", "postgres"]
    assert another_server.password not in result.report_json.read_text(encoding="utf-8")


def _with_code_of_its_own(edms: ReferenceEdms, folder: Path) -> ReferenceEdms:
    _write_code(folder / "project")
    return replace(edms, project=folder / "project")


def _write_code(project: Path) -> None:
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__", "var"))


def _lose_everything_but_the_repository(protected: Protected, postgres: LazyPostgres) -> None:
    edms = protected.edms
    shutil.rmtree(edms.project)
    shutil.rmtree(edms.media)
    if edms.engine == "sqlite":
        edms.database_path.unlink()
    else:
        postgres.server.drop_database(edms.database_name)
    shutil.rmtree(protected.settings.workdir)
    protected.config.unlink()


def _with_nothing_but_the_repository(protected: Protected, folder: Path) -> Protected:
    """Settings of a fresh machine: they know the repository, and nothing of the EDMS."""
    folder.mkdir()
    config = folder / "edms-backup.toml"
    config.write_text(f"[repository]\nurl = {json.dumps(str(protected.repository))}\n", encoding="utf-8")
    return replace(protected, config=config)


def _say_where_to(monkeypatch: pytest.MonkeyPatch, database: str, media: Path) -> None:
    monkeypatch.setenv("EDMS_BACKUP__RESTORE__DATABASE", database)
    monkeypatch.setenv("EDMS_BACKUP__FILES__ROOTS", json.dumps({"media": str(media)}))
