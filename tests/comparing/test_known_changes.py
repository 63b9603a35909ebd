"""Known changes are found, all of them and nothing else: rows by natural key, columns, references, files."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.comparing.comparison_result import Difference, RowDifference
from flows.diff import write_page
from tests.comparing.changed_system import Changed, changed, counts_of
from tests.comparing.django_rows import Counts
from tests.reference_system import EdmsTemplates, Engine
from tests.restored_system import RecoveredSystems
from tests.running import run_diff

pytestmark = pytest.mark.usefixtures("edms_asked_once")


def rows_of(difference: Difference, model: str) -> tuple[RowDifference, ...]:
    return next(table.rows for table in difference.tables if table.model == model)


@dataclass(frozen=True)
class Twice:
    """A system that was changed after its first backup, and its second."""

    made: Changed
    again: str


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def twice(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates
) -> Twice:
    folder = tmp_path_factory.mktemp("changed")
    template = _edms_templates.get(request.param, 12, 1)
    edms = _edms_templates.copy(template, folder / "edms", f"changed_{secrets.token_hex(3)}")
    made = changed(edms, folder / "protected")
    return Twice(made, made.protected.backup().snapshot_id)


@pytest.mark.long
@pytest.mark.slow
def test_all_changes_are_found_and_nothing_else(twice: Twice, tmp_path: Path) -> None:
    made = twice.made

    live = made.diff(made.snapshot).difference

    assert "DELETED" in made.said
    assert counts_of(live) == made.counts
    assert {"documents.Document", "documents.DocumentVersion", "documents.DocumentComment"} <= made.counts.keys()
    links = next(table for table in live.tables if table.model == "documents.DocumentDependency")
    assert links.other_ids == 1
    assert_rows(live, made)
    assert_files(live, made)

    # Two snapshots say the same as a snapshot and the live system.
    stored = made.diff(made.snapshot, twice.again, out=tmp_path / "lists")
    assert counts_of(stored.difference) == made.counts
    assert [table.rows for table in stored.difference.tables] == [table.rows for table in live.tables]
    assert stored.difference.files == live.files
    assert any(not table.read for table in stored.difference.tables)  # digests spared the reading of some
    assert_lists(tmp_path / "lists", stored.difference)


@pytest.mark.slow
@pytest.mark.long  # the same comparison, with the sides exchanged
def test_a_comparison_in_the_other_direction_is_the_mirror_image(twice: Twice) -> None:
    back = twice.made.diff(twice.again, twice.made.snapshot).difference

    assert counts_of(back) == {
        model: Counts(one.removed, one.added, one.changed, one.columns) for model, one in twice.made.counts.items()
    }


@pytest.mark.long
@pytest.mark.slow
def test_differences_of_sensitive_columns_are_reported_without_values(twice: Twice, tmp_path: Path) -> None:
    """Nor by keys made of them."""
    made = twice.made
    settings = made.protected.settings
    sensitive = ("documents.Document.title", "users.User.username")
    quiet = settings.model_copy(update={"validate_": settings.validate_.model_copy(update={"sensitive": sensitive})})
    found = run_diff(quiet, snapshot=made.snapshot, other=twice.again, out=tmp_path / "quiet")
    write_page(found, tmp_path / "quiet.html")
    lists = (tmp_path / "quiet").glob("*-documents.*")
    told = [json.dumps(found.as_json()), *(path.read_text() for path in (tmp_path / "quiet.html", *lists))]

    assert counts_of(found.difference) == made.counts
    assert not [text for text in told if "Another title" in text]
    rows = rows_of(found.difference, "documents.Document")
    shown = {field.name: (field.before, field.after) for row in rows if row.change == "changed" for field in row.fields}
    assert shown["title"] == ("(not shown)", "(not shown)")
    assert all(re.fullmatch(r"id \d+", text or "") for text in shown["author_id"])


def assert_rows(difference: Difference, made: Changed) -> None:
    documents = rows_of(difference, "documents.Document")
    titles = [field for row in documents if row.change == "changed" for field in row.fields if field.name == "title"]
    assert [field.after for field in titles] == ["Another title"] * 2
    number, was, now = next(line for line in made.said.splitlines() if line.startswith("REPOINTED")).split()[1:]
    (author,) = [
        field for row in documents for field in row.fields if row.change == "changed" and field.name == "author_id"
    ]
    assert (json.loads(author.before or ""), json.loads(author.after or "")) == ([was], [now])
    assert any(json.loads(row.key)[0] == number for row in documents)
    (comment,) = rows_of(difference, "documents.DocumentComment")[-1:]
    assert comment.change == "added"
    assert {field.name: field.after for field in comment.fields}["text"] == "A new comment"


def assert_files(difference: Difference, made: Changed) -> None:
    before, after = made.files
    (root,) = difference.files
    assert {(path.change, path.path) for path in root.paths} == {
        *(("added", path) for path in after.keys() - before.keys()),
        *(("removed", path) for path in before.keys() - after.keys()),
        *(("changed", path) for path in before.keys() & after.keys() if before[path] != after[path]),
    }
    assert (root.removed, root.added, root.changed, root.folders_added, root.unread) == (2, 2, 2, 1, 0)
    assert root.same == sum(before[path] == after.get(path) for path in before if before[path][0] == "file")


def assert_lists(folder: Path, difference: Difference) -> None:
    """The lists have every row that differs, whole."""
    found = {path.name.split("-", 1)[1].removesuffix(".jsonl"): path.read_text() for path in folder.iterdir()}
    lines = {name: [json.loads(line) for line in text.splitlines()] for name, text in found.items()}
    assert {name: len(rows) for name, rows in lines.items()} == {
        **{table.model: table.differences for table in difference.tables if table.differences},
        **{f"files-of-{root.root}": root.differences for root in difference.files},
    }
    edited = [row for row in lines["documents.Document"] if row["columns"] == ["title"]]
    assert [row["after"] for row in edited] == [{"title": "Another title"}] * 2


@pytest.mark.slow
@pytest.mark.long  # a reinit is in test_backup_reinit_cycle; what the comparison finds is above
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_nothing_differs_after_a_reinit_and_a_restore(engine: Engine, recovered_systems: RecoveredSystems) -> None:
    protected = recovered_systems(engine).protected

    found = run_diff(protected.settings, snapshot="latest").difference

    assert found.equal
    assert found.notes == ()
    assert not any(table.other_ids for table in found.tables)
    assert all(table.read for table in found.tables)
    assert sum(table.same for table in found.tables) == sum(table.second_rows for table in found.tables) > 400
    assert [(root.added, root.removed, root.changed) for root in found.files] == [(0, 0, 0)]
    assert found.files[0].same > 0
