"""Snapshots of older versions restore into the newest code: rows, schema and references as the EDMS's own migrations make them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edms_tasks.errors import CheckFailed
from flows.restoring.restore_result import RestoreResult
from tests.direct_access import query
from tests.independent_comparison import differences
from tests.reference_system import Engine, ReferenceEdms
from tests.versions.chain import Chain, database
from tests.versions.three_versions import copy_project
from tests.versions.three_versions import replace as edit

RestoredCopy = Callable[[Chain, int], tuple[RestoreResult, ReferenceEdms]]
PLACEHOLDERS = "SELECT count(*) FROM placeholders_placeholderdefinition"


@pytest.fixture(scope="module")
def restored_copy(tmp_path_factory: pytest.TempPathFactory) -> RestoredCopy:
    """Restores a snapshot into the newest code, as a copy, once; the copy is a system of its own."""
    made: dict[tuple[Engine, int], tuple[RestoreResult, ReferenceEdms]] = {}

    def get(chain: Chain, number: int) -> tuple[RestoreResult, ReferenceEdms]:
        if (chain.engine, number) not in made:
            folder = tmp_path_factory.mktemp(f"restored_{chain.engine}_{number}")
            into = str(folder / "copy.sqlite3") if chain.engine == "sqlite" else f"{chain.name}_into{number}"
            newest = chain.protected[3]
            result = newest.restore(chain.snapshots[number], into=into, into_files=folder / "files")
            live = newest.edms.database_url
            url = f"sqlite:///{into}" if chain.engine == "sqlite" else live.replace(newest.edms.database_name, into)
            made[chain.engine, number] = result, replace(newest.edms, database_url=url)
        return made[chain.engine, number]

    return get


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "number"),
    [
        ("sqlite", 1),
        pytest.param("sqlite", 2, marks=pytest.mark.long),
        pytest.param("sqlite", 3, marks=pytest.mark.long),
        pytest.param("postgresql", 1, marks=pytest.mark.long),
    ],
)
def test_a_snapshot_of_each_version_restores_into_the_newest(
    engine: Engine, number: int, chains: Callable[[Engine], Chain], restored_copy: RestoredCopy, tmp_path: Path
) -> None:
    chain = chains(engine)
    before = chain.plain[number]
    migrated = chain.copy(number, tmp_path / "migrated", chain.projects[3], f"{chain.name}_m{number}")
    migrated.manage("migrate", "--verbosity", "0")

    result, restored = restored_copy(chain, number)

    assert (result.success, result.promoted) == (True, False)
    assert differences(database(migrated), database(restored)) == []
    assert _values(before, number) == _values(restored, 3)
    run = _records(migrated) - _records(before)
    assert set(result.code_migration.migrations if result.code_migration else ()) == run
    for app, name in run:
        assert any(f"{app}.{name}" in note and "newer than the snapshot" in note for note in result.notes)
    assert any("`check` passed" in note for note in result.notes)


def test_the_change_of_each_table_is_reported(
    chains: Callable[[Engine], Chain], restored_copy: RestoredCopy, tmp_path: Path
) -> None:
    chain = chains("sqlite")
    migrated = chain.copy(1, tmp_path / "migrated", chain.projects[3], "")
    migrated.manage("migrate", "--verbosity", "0")
    was, is_ = database(chain.plain[1]), database(migrated)

    result, _ = restored_copy(chain, 1)

    assert result.code_migration is not None
    told = {table.table_id: table for table in result.code_migration.tables}
    changes = {name: told[name].change for name in told}
    assert changes == {
        "django_migrations": "other rows",
        "django_content_type": "other rows",
        "auth_permission": "other rows",
        "documents_document": "other columns",
        "documents_documenttype": "other columns",
        "documents_retentionrule": "new",
        "documents_shelf": "new",
    } | {name: "same" for name in told if was.get(f"table {name}") == is_.get(f"table {name}")}
    document = told["documents_document"]
    assert (document.columns_removed, set(document.columns_added)) == (
        ("abstract",),
        {"summary", "barcode", "shelf_id"},
    )
    for name, table in told.items():
        for rows, found in ((table.rows_before, was), (table.rows_after, is_)):
            assert rows == (len(found[f"table {name}"]) if f"table {name}" in found else None)  # type: ignore[arg-type]
    said = " ".join(result.notes)
    for name in ("documents.Document (", "auth.Permission (", "contenttypes.ContentType (", "documents.Shelf ("):
        assert name in said
    written = json.loads(result.report_json.read_text(encoding="utf-8"))
    assert written["code_migration"] == result.code_migration.as_json() == result.as_json()["code_migration"]
    page = result.report_html.read_text(encoding="utf-8")
    assert "Across versions" in page
    assert "documents.0005_move_retention" in page


def test_tables_of_a_removed_app_are_restored_and_named(
    chains: Callable[[Engine], Chain], restored_copy: RestoredCopy
) -> None:
    chain = chains("sqlite")

    result, restored = restored_copy(chain, 1)

    assert query(restored, PLACEHOLDERS) == query(chain.plain[1], PLACEHOLDERS) != [(0,)]
    (note,) = [note for note in result.notes if "'placeholders'" in note]
    ((definitions,),) = query(chain.plain[1], PLACEHOLDERS)
    assert f"placeholders_placeholderdefinition ({definitions} rows)" in note
    assert "placeholders_documenttemplate_document_types (" in note


@pytest.mark.long
def test_migrations_that_break_references_leave_the_live_system_untouched(
    chains: Callable[[Engine], Chain], tmp_path: Path
) -> None:
    chain = chains("sqlite")
    broken = tmp_path / "code"
    copy_project(chain.projects[3], broken)
    edit(broken / "documents" / "apps.py", ('    name = "documents"\n', f'    name = "documents"\n{BREAKS_REFERENCES}'))
    protected = chain.with_code(broken, tmp_path)
    live = database(protected.edms)

    with pytest.raises(CheckFailed, match="Foreign keys are broken") as failure:
        protected.restore(chain.snapshots[1])

    assert "documents_document" in failure.value.why
    assert differences(live, database(protected.edms)) == []
    assert not list(protected.edms.database_path.parent.glob("*staging*"))


BREAKS_REFERENCES = """
    def ready(self):
        from django.db.models.signals import post_migrate

        post_migrate.connect(lose, sender=self, weak=False)


def lose(using, **_):
    from django.db import connections

    connections[using].disable_constraint_checking()
    with connections[using].cursor() as cursor:
        cursor.execute("UPDATE documents_document SET shelf_id = 999")
    connections[using].enable_constraint_checking()
"""


def _records(edms: ReferenceEdms) -> set[tuple[str, str]]:
    return {(app, name) for app, name in query(edms, "SELECT app, name FROM django_migrations")}


def _values(edms: ReferenceEdms, number: int) -> tuple[object, object]:
    """What the renamed column and the split table hold, under the names of each version."""
    summaries = query(
        edms, f"SELECT id, {'abstract' if number == 1 else 'summary'} FROM documents_document ORDER BY id"
    )
    days = (
        "SELECT id, retention_days FROM documents_documenttype WHERE retention_days IS NOT NULL ORDER BY 1"
        if number == 1
        else "SELECT document_type_id, days FROM documents_retentionrule ORDER BY 1"
    )
    assert any(summary for _, summary in summaries)
    assert len(query(edms, days)) > 3
    return summaries, query(edms, days)
