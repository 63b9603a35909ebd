"""The EDMS's tables are in another schema than the one in which its sessions make new tables: they are the models' all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql import table_ids
from edms_tasks.errors import MergeRefused
from edms_tasks.inventory.model import GenericReference
from edms_tasks.manifest import Manifest
from tests.direct_access import execute, query
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, protect, run_diff, run_merge

pytestmark = pytest.mark.usefixtures("edms_asked_once")

# An administrator's notes in a schema that comes first, and a stale copy in one that comes last.
_OTHER_SCHEMAS = """
CREATE SCHEMA notes; CREATE TABLE notes.notes (id int PRIMARY KEY, note text); INSERT INTO notes.notes VALUES (1, 'x');
CREATE SCHEMA old; CREATE TABLE old.documents_document AS SELECT * FROM public.documents_document LIMIT 1;
CREATE TABLE old.only_there (id int PRIMARY KEY);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = "$user", notes, public, old', current_database()); END $$
"""

_ONLY_LATER = """
CREATE SCHEMA old; CREATE TABLE old.only_there (id int PRIMARY KEY, note text); INSERT INTO old.only_there VALUES (1, 'x');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, old', current_database()); END $$
"""


def _system(edms_factory: ReferenceEdmsFactory, folder: Path) -> Protected:
    system = protect(edms_factory("postgresql", documents=5), folder, extra="[validate]\ndjango_check = false")
    execute(system.edms, _OTHER_SCHEMAS)
    return system


def _ids(manifest: Manifest) -> dict[str, tuple[str | None, str | None]]:
    return {entry.table.id: (entry.table.schema_name, entry.table.model) for entry in manifest.tables}


def test_models_have_the_tables_that_their_sessions_find(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    system = _system(edms_factory, tmp_path)
    manifest = system.backup().manifest

    ids = _ids(manifest)
    assert ids["documents_document"] == ("public", "documents.Document")
    assert ids["django_content_type"] == ("public", "contenttypes.ContentType")
    assert ids["notes"] == ("notes", None)
    assert ids["only_there"] == ("old", None)
    assert ids["old.documents_document"] == ("old", None)
    codes = {finding.code for finding in manifest.findings}
    assert "model-without-table" not in codes
    generics = [one for entry in manifest.tables for one in entry.table.references if isinstance(one, GenericReference)]
    assert generics, "the reference EDMS has generic references, which need the content types"


@pytest.mark.long
def test_it_is_merged_and_restored(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    system = _system(edms_factory, tmp_path)
    before = picture(system.edms)
    snapshot = system.backup().snapshot_id
    titles = query(system.edms, "SELECT number, title FROM documents_document ORDER BY 1")
    execute(system.edms, "UPDATE documents_document SET title = 'changed'", "DELETE FROM notes.notes")

    run_merge(system.settings, snapshot=snapshot, confirm=True)
    assert query(system.edms, "SELECT number, title FROM documents_document ORDER BY 1") == titles
    system.restore(snapshot)
    assert differences(before, picture(system.edms)) == []


@pytest.fixture
def earlier_release(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An earlier release: only the first schema's tables went by their name alone. `undo()` ends it."""
    monkeypatch.setattr(
        table_ids,
        "_found_by_name",
        lambda relations, path: {name: path[0] for schema, name in relations if schema == path[0]},
    )
    yield monkeypatch


@pytest.mark.long  # with tables in one schema, in versions/test_earlier_releases
def test_a_snapshot_of_an_earlier_release_is_compared_and_restored(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path, earlier_release: pytest.MonkeyPatch
) -> None:
    system = _system(edms_factory, tmp_path)
    before = picture(system.edms)
    made = system.backup()
    assert _ids(made.manifest)["public.documents_document"] == ("public", None)
    earlier_release.undo()

    same = run_diff(system.settings, snapshot=made.snapshot_id).difference
    execute(system.edms, "DELETE FROM notes.notes", "UPDATE documents_document SET title = 'changed'")
    other = run_diff(system.settings, snapshot=made.snapshot_id).difference
    assert [one.model for one in same.tables if one.differences] == []
    assert {one.model: (one.removed, one.changed) for one in other.tables if one.differences} == {
        "notes": (1, 0),
        "public.documents_document": (0, 5),
    }

    with pytest.raises(MergeRefused, match="which models its tables belong to"):
        run_merge(system.settings, snapshot=made.snapshot_id, dry_run=True)
    system.restore(made.snapshot_id)
    assert differences(before, picture(system.edms)) == []


@pytest.mark.long
def test_tables_without_models_of_an_earlier_release_are_merged(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path, earlier_release: pytest.MonkeyPatch
) -> None:
    system = protect(edms_factory("postgresql", documents=2), tmp_path, extra="[validate]\ndjango_check = false")
    execute(system.edms, _ONLY_LATER)
    made = system.backup()
    assert _ids(made.manifest)["old.only_there"] == ("old", None)
    earlier_release.undo()
    execute(system.edms, "DELETE FROM old.only_there")

    run_merge(system.settings, snapshot=made.snapshot_id)

    assert query(system.edms, "SELECT id, note FROM old.only_there") == [(1, "x")]


def test_no_two_tables_have_one_id(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    """Names may have dots in them."""
    edms = edms_factory("postgresql", populate=False)
    names = {("public", "a.b"), ("a", "b"), ("a.b", "c"), ("a", "b.c"), ("public", 'a"."b')}
    for schema, name in sorted(names):
        quoted, place = (one.replace('"', '""') for one in (name, schema))
        execute(edms, f'CREATE SCHEMA IF NOT EXISTS "{place}"', f'CREATE TABLE "{place}"."{quoted}" (id int)')
    (tmp_path / "view").mkdir()
    with open_database(DatabaseAddress.from_url(edms.database_url)).view(tmp_path / "view", 1) as view:
        found = {(table.schema_name, table.name): table.id for table in view.tables()}
    assert names <= set(found)
    assert len(set(found.values())) == len(found)
