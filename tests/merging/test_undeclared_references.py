"""A merge that gives rows other ids says which columns hold ids that nobody declared, and is not called proved before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.errors import CommandError
from edms_tasks.settings import Settings
from edms_tasks.soft_reference_settings import SoftReferenceSettings
from flows.merge import MergeResult
from tests.inventory.small_project import small_project
from tests.merging.test_every_kind_of_reference import files, meanings
from tests.running import run_backup, run_merge
from tests.soft.paper_archive import PaperArchive, paper_archive

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

# All that tests/soft/paper_archive.py declares.
HOLD_IDS = {f"small.Rule.{name}" for name in ("document_ref", "document_list", "payload", "state", "label")}


@dataclass(frozen=True)
class Collided:
    """A snapshot without declarations, and its EDMS, whose ids are other rows' by now."""

    archive: PaperArchive
    snapshot: str
    undeclared: Settings

    def merge(self, settings: Settings, **options: object) -> MergeResult:
        return run_merge(settings, snapshot=self.snapshot, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def collided(tmp_path_factory: pytest.TempPathFactory) -> Collided:
    archive = paper_archive(tmp_path_factory.mktemp("archive"), {"A": 1, "B": 2, "C": 3})
    with closing(sqlite3.connect(archive.address.name)) as lite:
        # Neither is a JSON document, nor a row that names all documents.
        lite.execute("DELETE FROM small_rule WHERE code IN ('empty', 'broken')")
        lite.commit()
    undeclared = archive.settings.model_copy(update={"soft_references": ()})
    (archive.media / "thumbnails" / "readme.txt").unlink()
    snapshot = run_backup(undeclared).snapshot_id
    for picture in (archive.media / "thumbnails").iterdir():
        picture.write_bytes(b"another picture")
    with closing(sqlite3.connect(archive.address.name)) as lite:
        lite.execute("DELETE FROM small_rule")
        # Its columns of references hold nothing: SQLite tells no type of them.
        lite.execute(
            "INSERT INTO small_rule (id, code, document_list, payload, state, label, attachment) VALUES (1, 'own', '', '{}', '', '', '')"
        )
        lite.execute("UPDATE small_document SET number = 'own ' || number")
        lite.commit()
    return Collided(archive, snapshot, undeclared)


def test_every_column_with_undeclared_ids_is_a_conflict_and_the_search_is_reported(collided: Collided) -> None:
    result = collided.merge(collided.undeclared, dry_run=True)

    found = {one.model: one for one in result.plan.conflicts if one.code == "undeclared-reference"}
    assert set(found) >= HOLD_IDS
    assert not result.success
    assert all(
        "small.Document" in one.message and f"--not-a-reference {name}" in one.fix for name, one in found.items()
    )
    assert result.plan.looked.models == ("small.Document", "small.Rule")
    # Of small_rule seven: all but the primary key, the file and the content type, which is a foreign key. Of other tables those of
    # natural keys: the document's, Django's group, permission and user, and two of content types.
    assert result.plan.looked.columns == 7 + 1 + 5


def test_a_column_is_accepted_by_name_and_an_unknown_name_is_refused(collided: Collided) -> None:
    settings = collided.undeclared.model_copy(
        update={"merge": collided.undeclared.merge.model_copy(update={"not_references": ("small_rule.state",)})}
    )

    result = collided.merge(settings, dry_run=True, not_references=("small.Rule.document_ref",))

    left = {one.model for one in result.plan.conflicts if one.code == "undeclared-reference"}
    assert left >= HOLD_IDS - {"small.Rule.state", "small.Rule.document_ref"}
    assert left.isdisjoint({"small.Rule.state", "small.Rule.document_ref"})
    assert result.plan.looked.accepted == ("small.Rule.document_ref", "small.Rule.state")
    with pytest.raises(CommandError, match=r"no column 'small\.Rule\.documents'"):
        collided.merge(settings, dry_run=True, not_references=("small.Rule.documents",))


@pytest.mark.long
def test_files_named_by_undeclared_ids_never_replace_others(collided: Collided) -> None:
    result = collided.merge(collided.undeclared, dry_run=True)

    (unclaimed,) = (one for one in result.plan.conflicts if one.code == "file-unclaimed")
    assert (unclaimed.model, unclaimed.count) == ("files of media", 3)
    assert [root.replace for root in result.plan.files] == [0]

    # If one name means one file in both systems, that is said, and the policy decides.
    same_files = collided.merge(collided.undeclared, dry_run=True, not_references=("media:thumbnails/{pk:07}.webp",))
    assert not any(one.code.startswith(("file", "undeclared-file")) for one in same_files.plan.conflicts)
    assert [root.replace for root in same_files.plan.files] == [3]


def test_file_names_with_undeclared_ids_are_a_conflict_with_the_missing_declaration(collided: Collided) -> None:
    pictures = [*(collided.archive.media / "thumbnails").iterdir()]
    held = {picture: picture.read_bytes() for picture in pictures}
    for picture in pictures:
        picture.unlink()

    result = collided.merge(collided.undeclared, dry_run=True)

    for picture, content in held.items():
        picture.write_bytes(content)
    (found,) = (one for one in result.plan.conflicts if one.code == "undeclared-file-name")
    assert found.model == "media:thumbnails/{pk:07}.webp"
    assert 'files = "media", name = "thumbnails/{pk:07}.webp", target = "small.Document"' in found.fix
    assert result.plan.looked.files == 3


def test_references_declared_after_the_snapshot_are_rewritten(collided: Collided) -> None:
    result = collided.merge(collided.archive.settings)

    assert result.plan.conflicts == ()
    assert result.done
    assert any("small.Rule.payload" in note for note in result.notes)
    with closing(sqlite3.connect(collided.archive.address.name)) as lite:
        lite.execute("DELETE FROM small_rule WHERE code = 'own'")
        lite.commit()
    assert meanings(collided.archive) == _meant_in_the_snapshot()
    assert files(collided.archive) == {
        **{number: f"picture {n}".encode() for n, number in enumerate("ABC")},
        **{f"own {number}": b"another picture" for number in "ABC"},
    }
    assert collided.merge(collided.archive.settings, dry_run=True).plan.writes == 0


def _meant_in_the_snapshot() -> dict[str, object]:
    everywhere = ["A", "B", "C"]
    return {
        f"R-{n}": (
            number,
            f"{number}, {everywhere[n - 1]}",
            [number, "A"],
            ["int", "str"],
            [number],
            0,
            f'{{"parent": {{<{number}>}}, "step": 3}}',
            f"see <{number}>!",
            ("document", number),
        )
        for n, number in enumerate(everywhere)
    }


@pytest.mark.long
def test_an_undeclared_id_in_a_natural_key_is_a_conflict_though_no_row_is_written(tmp_path: Path) -> None:
    models = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)

class Bookmark(models.Model):
    document_ref = models.IntegerField()
    reader = models.CharField(max_length=20)
    class Meta:
        unique_together = [("document_ref", "reader")]
"""
    rows = "for n in 'ABC': Bookmark.objects.create(document_ref=Document.objects.create(number=n).pk, reader='anna')"
    edms = small_project(tmp_path / "edms", models, rows)
    repository = edms.repository.model_copy(update={"url": str(tmp_path / "repository")})
    settings = edms.model_copy(update={"repository": repository, "workdir": tmp_path / "work"})
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    with closing(sqlite3.connect(tmp_path / "edms" / "db.sqlite3")) as lite:
        lite.execute("UPDATE small_document SET number = 'own ' || number")
        lite.commit()

    result = run_merge(settings, snapshot=snapshot, dry_run=True)

    bookmarks = next(one for one in result.plan.models if one.model == "small.Bookmark")
    assert (bookmarks.insert, bookmarks.update) == (0, 0)  # they were matched with those of other documents
    assert [one.model for one in result.plan.conflicts] == ["small.Bookmark.document_ref"]


@pytest.mark.long  # other undeclared ids are asked above
@pytest.mark.parametrize(
    "places",
    [
        ("/4/", "/4/5/", "/4/900/"),
        *(
            pytest.param(places, marks=pytest.mark.long)
            for places in (("4", "4.5", "4.900"), ("00004", "00004/00005", "00004/00900"))
        ),
    ],
)
def test_three_places_in_a_tree_that_end_with_the_rows_own_ids_are_no_coincidence(
    places: tuple[str, str, str], tmp_path: Path
) -> None:
    models = """
class Branch(models.Model):
    name = models.CharField(max_length=20, unique=True)
    trail = models.CharField(max_length=200)
"""
    made = small_project(tmp_path / "edms", models)
    repository = made.repository.model_copy(update={"url": str(tmp_path / "repository")})
    settings = made.model_copy(update={"repository": repository, "workdir": tmp_path / "work"})
    with closing(sqlite3.connect(tmp_path / "edms" / "db.sqlite3")) as lite, lite:
        lite.execute("INSERT INTO small_branch VALUES (4, 'a', ?), (5, 'b', ?), (900, 'c', ?)", places)
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    with closing(sqlite3.connect(tmp_path / "edms" / "db.sqlite3")) as lite, lite:
        lite.execute("DELETE FROM small_branch")
        lite.execute("INSERT INTO small_branch VALUES (4, 'x', '/4/'), (5, 'y', '/5/')")

    found = run_merge(settings, snapshot=snapshot, dry_run=True).plan.conflicts

    assert [(one.code, one.model) for one in found] == [("undeclared-reference", "small.Branch.trail")]


@pytest.mark.long
def test_a_declared_id_in_another_spelling_is_a_conflict_until_its_width_is_declared(tmp_path: Path) -> None:
    models = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Scan(models.Model):
    name = models.CharField(max_length=20, unique=True)
    padded = models.CharField(max_length=20)
    payload = models.JSONField()
class Note(models.Model):
    name = models.CharField(max_length=20, unique=True)
    document_id = models.IntegerField()
"""
    made = small_project(tmp_path / "edms", models)
    place = {"url": str(tmp_path / "repository")}
    settings = made.model_copy(
        update={"repository": made.repository.model_copy(update=place), "workdir": tmp_path / "work"}
    )
    database = tmp_path / "edms" / "db.sqlite3"

    def declared(**padded: str) -> Settings:
        references = (
            {"column": "small.Scan.padded", "target": "small.Document"} | padded,
            {"column": "small.Scan.payload", "target": "small.Document", "json": "$.document"},
            {"column": "small.Note.document_id", "target": "small.Document"},
        )
        return settings.model_copy(
            update={"soft_references": tuple(SoftReferenceSettings.model_validate(one) for one in references)}
        )

    with closing(sqlite3.connect(database)) as lite, lite:
        lite.execute("INSERT INTO small_document VALUES (3, 'A3'), (4, 'A4')")
        lite.execute("""INSERT INTO small_scan VALUES (1, 's', '0000003', '{"document": 4.0}')""")
        lite.execute("INSERT INTO small_note VALUES (1, 'n', 3)")
    snapshot = run_backup(declared(), create_repository=True).snapshot_id
    with closing(sqlite3.connect(database)) as lite, lite:
        for table in ("document", "scan", "note"):
            lite.execute(f"DELETE FROM small_{table}")
        lite.execute("INSERT INTO small_document VALUES (3, 'B3'), (4, 'B4')")

    refused = run_merge(declared(), snapshot=snapshot)
    width = run_merge(declared(pattern="{pk:07}"), snapshot=snapshot, not_references=("small.Scan.payload",))

    assert not refused.done
    found = {one.model: one for one in refused.plan.conflicts}
    assert set(found) == {"small.Scan.padded", "small.Scan.payload"}
    assert {one.code for one in found.values()} == {"id-spelled-differently"}
    assert found["small.Scan.padded"].examples == ("0000003",) and "{pk:07}" in found["small.Scan.padded"].fix
    assert width.done and width.plan.looked.accepted == ("small.Scan.payload",)
    with closing(sqlite3.connect(database)) as lite:
        ids = dict(lite.execute("SELECT number, id FROM small_document").fetchall())
        assert lite.execute("SELECT padded, payload FROM small_scan").fetchall() == [
            (f"{ids['A3']:07}", '{"document": 4.0}')
        ]
        assert lite.execute("SELECT document_id FROM small_note").fetchall() == [(ids["A3"],)]
