"""A snapshot newer than the code: refused with what is missing; as a copy, as it is; with --drop-unknown, cut back by name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import CommandError, MigrationsDiverged, SnapshotNewerThanCode
from flows.cli.app import app
from tests.direct_access import query
from tests.independent_comparison import differences
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms
from tests.versions.chain import Chain, database, make_chain
from tests.versions.three_versions import add_migration, copy_project
from tests.versions.three_versions import replace as edit

NEW = ["documents.0007_shelves", "documents.0008_fill_shelves"]


@pytest.fixture(scope="module")
def chain(chains: Callable[[Engine], Chain]) -> Chain:
    return chains("sqlite")


@pytest.mark.long
def test_a_newer_snapshot_is_refused_with_the_migrations_and_all_that_the_code_does_not_know(
    chain: Chain, tmp_path: Path
) -> None:
    older = chain.protected[2]
    live = database(older.edms)

    with pytest.raises(SnapshotNewerThanCode) as refused:
        older.restore(chain.snapshots[3])

    for name in (*NEW, "documents_shelf (3 rows)", "documents_document.barcode", "documents_document.shelf_id"):
        assert name in refused.value.why
    assert "--drop-unknown" in refused.value.fix
    assert differences(live, database(older.edms)) == []
    assert _staged(older.edms) == []


def test_a_newer_snapshot_is_restored_unchanged_as_a_copy(chain: Chain, tmp_path: Path) -> None:
    into = tmp_path / "copy.sqlite3"

    result = chain.protected[2].restore(chain.snapshots[3], into=str(into), into_files=tmp_path / "files")

    copy = replace(chain.plain[3], database_url=f"sqlite:///{into}")
    assert result.success
    assert result.code_migration is None
    assert any(NEW[0] in note and "copy is as the snapshot is" in note for note in result.notes)
    assert not any("check` passed" in note for note in result.notes)
    assert differences(database(chain.plain[3]), database(copy)) == []


@pytest.mark.long
def test_only_what_older_code_does_not_know_is_dropped_and_named(chain: Chain, tmp_path: Path) -> None:
    edms = chain.copy(2, tmp_path / "edms", chain.projects[2], "")
    config = edms.settings_file(tmp_path / "edms-backup.toml", chain.protected[2].repository)
    arguments = ["--config", str(config), "--json", "restore", chain.snapshots[3], "--drop-unknown", "--yes"]

    done = CliRunner().invoke(app, arguments)

    said = json.loads(done.stdout)
    assert (done.exit_code, said["success"], said["promoted"]) == (0, True, True), done.stdout
    filled = "SELECT count(barcode), count(shelf_id) FROM documents_document"
    ((barcodes, shelved),) = query(chain.plain[3], filled)
    assert 0 < barcodes == shelved < 20
    dropped = {(part["kind"], part["name"], part["held"]) for part in said["code_migration"]["dropped"]}
    indexes = query(
        chain.plain[3],
        "SELECT name FROM sqlite_master WHERE sql LIKE '%INDEX%' AND (name LIKE '%barcode%' OR name LIKE '%shelf_id%')",
    )
    assert dropped == {
        ("table", "documents_shelf", 3),
        ("column", "documents_document.barcode", barcodes),
        ("column", "documents_document.shelf_id", shelved),
        *(("dependent", f"index {name} on documents_document", 0) for (name,) in indexes),
        *(("migration", name, 0) for name in NEW),
    }
    assert len(indexes) == 2
    for name in ("documents_shelf (3 rows)", f"documents_document.barcode ({barcodes} values)", NEW[0]):
        assert any(name in note for note in said["notes"])
    report = json.loads(Path(said["report_json"]).read_text(encoding="utf-8"))
    assert report["code_migration"] == said["code_migration"]
    assert "documents_document.barcode" in Path(said["report_html"]).read_text(encoding="utf-8")
    _is_the_snapshot_but_for_what_was_dropped(chain.plain[3], edms)
    edms.manage("check", "--database", "default")
    edms.manage("migrate", "--check")
    newer = replace(edms, project=chain.projects[3])
    newer.manage("migrate", "--verbosity", "0")
    assert query(newer, "SELECT count(*) FROM documents_shelf") == [(3,)]


@pytest.mark.long
def test_older_code_on_postgresql_gets_what_it_knows(
    _edms_templates: EdmsTemplates, postgres_database: str, tmp_path: Path
) -> None:
    name = postgres_database.rpartition("/")[2]
    chain = make_chain(_edms_templates, tmp_path, "postgresql", f"{name}_c")
    into = f"{name}_into"

    result = chain.protected[2].restore(chain.snapshots[3], into=into, into_files=tmp_path / "files", drop_unknown=True)

    live = chain.protected[2].edms
    copy = replace(live, database_url=live.database_url.replace(live.database_name, into))
    assert result.success
    assert result.code_migration is not None
    named = {part.name for part in result.code_migration.dropped if part.kind != "dependent"}
    assert named == {"documents_shelf", "documents_document.barcode", "documents_document.shelf_id", *NEW}
    # Version 2 itself, before the shelves: the same tables, columns, constraints and rows, but for the order of records and
    # the content type and permissions of the shelf.
    before, after = database(chain.plain[2]), database(copy)
    assert before["schema"] == after["schema"]
    different = [part.split("(")[0] for part in differences(before, after)]
    assert {part.split(".")[-1].strip() for part in different} <= {
        "django_content_type",
        "auth_permission",
        "sequences",
    }
    copy.manage("check", "--database", "default")
    copy.manage("migrate", "--check")


@pytest.mark.long
def test_drops_are_listed_before_and_must_be_confirmed_by_a_word(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    older = chain.protected[2]
    live = database(older.edms)
    arguments = ["--config", str(older.config), "restore", chain.snapshots[3], "--drop-unknown"]

    unasked = CliRunner().invoke(app, arguments)
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("flows.cli.commands.restore_command.sys", terminal)
    refused = CliRunner().invoke(app, arguments, input="yes\n")

    assert (unasked.exit_code, refused.exit_code) == (2, 2)
    assert "no terminal to ask" in unasked.stderr
    assert "documents_shelf (3 rows)" in refused.stderr
    assert "documents_document.barcode" in refused.stderr
    assert "Type 'drop'" in refused.stderr
    assert "Not confirmed" in refused.stderr
    assert differences(live, database(older.edms)) == []


def test_a_snapshot_that_lacks_what_older_code_needs_cannot_be_cut_back(chain: Chain) -> None:
    with pytest.raises(SnapshotNewerThanCode, match="cannot reduce the snapshot") as refused:
        chain.protected[1].restore(chain.snapshots[2], drop_unknown=True)

    for name in (
        "documents_document.abstract",
        "documents_documenttype.retention_days",
        "placeholders_documenttemplate",
    ):
        assert name in refused.value.why
    assert _staged(chain.protected[1].edms) == []


def test_dropping_is_refused_if_each_side_has_something_that_the_other_lacks(chain: Chain, tmp_path: Path) -> None:
    branch = tmp_path / "code"
    copy_project(chain.projects[2], branch)
    add_migration(branch, "audit", "0003_of_a_branch", BRANCH)

    with pytest.raises(MigrationsDiverged, match="both newer and older than the EDMS's code") as refused:
        chain.with_code(branch, tmp_path).restore(chain.snapshots[3], drop_unknown=True)

    assert NEW[0] in refused.value.why
    assert "audit.0003_of_a_branch" in refused.value.why


def test_dropping_has_nothing_to_do_with_a_salvage_or_where_the_code_cannot_be_asked(
    chain: Chain, tmp_path: Path
) -> None:
    gone = chain.with_code(tmp_path / "nowhere", tmp_path)
    config = gone.config.read_text(encoding="utf-8")
    gone.config.write_text(f'{config}\n[restore]\ndatabase = "{gone.edms.database_url.replace("///", "////")}"\n')

    with pytest.raises(CommandError, match="salvage"):
        chain.protected[2].restore(chain.snapshots[3], into="x", salvage=True, drop_unknown=True)
    with pytest.raises(CommandError, match="does not run"):
        gone.restore(chain.snapshots[3], into=str(tmp_path / "x.sqlite3"), drop_unknown=True)


def test_a_squashed_migration_that_names_no_originals_is_refused_before_anything_starts(
    chain: Chain, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    copy_project(chain.projects[3], code)
    _squash_without_replaces(code)
    protected = chain.with_code(code, tmp_path)
    live = database(protected.edms)

    with pytest.raises(MigrationsDiverged) as refused:
        protected.restore(chain.snapshots[1])

    assert "documents.0001_squashed" in refused.value.why
    assert "documents.0001_initial" in refused.value.why
    assert "`replaces`" in refused.value.fix
    assert _staged(protected.edms) == []
    assert differences(live, database(protected.edms)) == []


BRANCH = """
class Migration(migrations.Migration):
    dependencies = [("audit", "0002_immutable_trail")]
    operations = []
"""

SQUASHED = """
class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency("users.User")]
    operations = []
"""


def _squash_without_replaces(project: Path) -> None:
    migrations = project / "documents" / "migrations"
    for path in migrations.glob("0*.py"):
        path.unlink()
    add_migration(project, "documents", "0001_squashed", SQUASHED)
    for path in project.rglob("migrations/0*.py"):
        if '("documents", "0001_initial")' in path.read_text(encoding="utf-8"):
            edit(path, ('("documents", "0001_initial")', '("documents", "0001_squashed")'))


def _staged(edms: ReferenceEdms) -> list[Path]:
    return list(edms.database_path.parent.glob("*staging*"))


def _is_the_snapshot_but_for_what_was_dropped(snapshot: ReferenceEdms, restored: ReferenceEdms) -> None:
    was, is_ = database(snapshot), database(restored)
    assert set(differences(was, is_)) == {
        "schema",
        "table documents_shelf",
        "table documents_document",
        "table django_migrations",
        "table sqlite_sequence",
    }
    with closing(sqlite3.connect(restored.database_path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(documents_document)")]
    left = f"SELECT {', '.join(columns)} FROM documents_document ORDER BY id"
    assert query(snapshot, left) == query(restored, left)
    assert len(columns) > 20
    records = "SELECT app || '.' || name FROM django_migrations ORDER BY id"
    assert query(restored, records) == [row for row in query(snapshot, records) if row[0] not in NEW]
    sequences = "SELECT name, seq FROM sqlite_sequence WHERE name <> 'documents_shelf' ORDER BY 1"
    assert query(restored, sequences) == query(snapshot, sequences)
