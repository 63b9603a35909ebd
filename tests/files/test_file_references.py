"""Rows that name files the snapshot has not, and files no row names, are both counted and named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.files import Examination, find_named_files
from edms_tasks.files.named_files import NamedFiles
from edms_tasks.inventory.model import Column, FileNameReference, Finding, PathColumn, Table
from edms_tasks.inventory.probe_report import Surroundings
from edms_tasks.manifest import Encoding, FileIndex
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import open_workspace
from tests.files.conftest import Backup

TABLE = Table(
    id="documents",
    schema_name=None,
    name="documents",
    model="documents.Document",
    columns=(Column(name="file", native_type="varchar(100)", logical_type="text", nullable=True),),
    file_columns=(("file", "media"),),
)


def examine(
    tables: Sequence[Table],
    raws: dict[str, RawTable],
    indexes: Sequence[FileIndex],
    repository: Repository,
    scratch: Path,
    declared: Sequence[FileNameReference] = (),
    known: Sequence[PathColumn] = (),
) -> NamedFiles:
    around = Surroundings(project=(str(scratch),), urls=("/media/",))
    roots = [index.root for index in indexes]
    scratch.mkdir(exist_ok=True)
    with open_workspace(scratch / "workspace", memory_limit_mb=500, threads=1) as workspace:
        its = Examination(tables, raws, roots, declared, around, [scratch], known)
        return find_named_files(its, indexes, repository, workspace=workspace, scratch=scratch)


def find_file_problems(
    tables: Sequence[Table],
    raws: dict[str, RawTable],
    indexes: Sequence[FileIndex],
    repository: Repository,
    declared: Sequence[FileNameReference] = (),
) -> tuple[Finding, ...]:
    scratch = repository.local_folder
    assert scratch is not None
    return examine(tables, raws, indexes, repository, scratch.parent / "examined", declared).findings


def raw_of(folder: Path, values: list[str | None], encoding: Encoding = "native") -> dict[str, RawTable]:
    pq.write_table(pa.table({"file": pa.array(values, pa.string())}), folder / "raw.parquet")
    raw = RawTable(
        table_id="documents", rows=len(values), encodings={"file": encoding}, files=(folder / "raw.parquet",)
    )
    return {"documents": raw}


@pytest.fixture
def stored(media: Path) -> Path:
    for name in ("a.pdf", "ü/b.pdf", "orphan.pdf"):
        (media / name).parent.mkdir(exist_ok=True)
        (media / name).write_bytes(name.encode())
    return media


def by_code(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings}


def test_missing_and_orphan_files_are_named(
    stored: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    values = ["a.pdf", "ü/b.pdf", None, "", "gone.pdf", "gone.pdf", "ü", "../outside.pdf"]

    found = by_code(find_file_problems([TABLE], raw_of(tmp_path, values), [index], repository))

    assert found["missing-file"].subject == "documents.Document.file"
    assert found["missing-file"].severity == "warning"
    assert found["missing-file"].count == 4
    assert found["missing-file"].examples == ("../outside.pdf", "gone.pdf", "ü")
    assert found["orphan-files"].count == 1
    assert found["orphan-files"].examples == ("orphan.pdf",)


def test_an_absolute_path_names_the_file_below_the_root(
    stored: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    values: list[str | None] = [f"{stored}/a.pdf", f"{stored}/ü/b.pdf", "orphan.pdf"]
    assert find_file_problems([TABLE], raw_of(tmp_path, values), [index], repository) == ()


def test_tagged_values_name_files_too(stored: Path, repository: Repository, backup: Backup, tmp_path: Path) -> None:
    index, _ = backup()
    values: list[str | None] = ["t" + b"a.pdf".hex().upper(), "b" + "ü/b.pdf".encode().hex().upper(), "i42", None, "t"]
    found = by_code(find_file_problems([TABLE], raw_of(tmp_path, values, "tagged"), [index], repository))
    assert found["missing-file"].examples == ("42",)
    assert found["orphan-files"].examples == ("orphan.pdf",)


def test_files_of_an_excluded_table_are_not_orphans(stored: Path, repository: Repository, backup: Backup) -> None:
    index, _ = backup()
    assert find_file_problems([TABLE], {}, [index], repository) == ()


def test_a_root_that_no_column_uses_has_no_orphans(
    stored: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    table = TABLE.model_copy(update={"file_columns": ()})
    assert find_file_problems([table], raw_of(tmp_path, ["gone"]), [index], repository) == ()


def test_a_missing_root_makes_every_named_file_missing(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    media.rmdir()
    index, _ = backup()
    found = by_code(find_file_problems([TABLE], raw_of(tmp_path, ["a", "b"]), [index], repository))
    assert found["missing-file"].count == 2


def test_files_named_by_a_declared_id_are_no_orphans(
    stored: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    for name in ("thumbnails/0000007.webp", "thumbnails/7.webp", "thumbnails/0000007.webp.old"):
        (stored / name).parent.mkdir(exist_ok=True)
        (stored / name).write_bytes(name.encode())
    index, _ = backup()
    reference = FileNameReference(
        root="media", pattern="thumbnails/{pk:07}.webp", target="documents", target_column="id", id_kind="number"
    )
    elsewhere = reference.model_copy(update={"root": "another"})
    raw = raw_of(tmp_path, ["a.pdf", "ü/b.pdf", "orphan.pdf"])

    def orphans(*declared: FileNameReference) -> tuple[str, ...]:
        return by_code(find_file_problems([TABLE], raw, [index], repository, declared=declared))[
            "orphan-files"
        ].examples

    assert orphans(reference) == ("thumbnails/0000007.webp.old", "thumbnails/7.webp")
    assert len(orphans(elsewhere)) == 3


def paths_of(folder: Path, **columns: Sequence[str | None]) -> tuple[Table, dict[str, RawTable]]:
    """A table of plain text columns, and its rows."""
    rows = max(map(len, columns.values()))
    columns = {name: [*values, *[None] * (rows - len(values))] for name, values in columns.items()}
    native = [Column(name=name, native_type="text", logical_type="text", nullable=True) for name in columns]
    table = TABLE.model_copy(update={"columns": tuple(native), "file_columns": ()})
    pq.write_table(
        pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), folder / "raw.parquet"
    )
    files = (folder / "raw.parquet",)
    return table, {"documents": RawTable("documents", rows, dict.fromkeys(columns, "native"), files)}


@pytest.fixture
def archive(media: Path) -> Path:
    """The folders of paperless: an original for each document, an archived version for some, under the same names."""
    for number in range(1, 21):
        for folder in ("originals", "archive") if number < 15 else ("originals",):
            (media / "documents" / folder).mkdir(parents=True, exist_ok=True)
            (media / "documents" / folder / f"{number:07}.pdf").write_bytes(f"{folder} {number}".encode())
    return media


NAMES = [f"{number:07}.pdf" for number in range(1, 21)]


def test_columns_that_name_files_below_a_folder_of_the_root_are_path_columns(
    archive: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    (archive / "documents/originals/0000003.pdf").unlink()  # archived under the same name, and missing all the same
    (archive / "documents/originals/stray.pdf").write_bytes(b"nobody's")
    index, _ = backup()
    columns = {
        "filename": NAMES,
        "archive_filename": [*NAMES[:14], *[None] * 6],
        "title": [f"invoices/{number} and others" for number in range(20)],
        "original_filename": [*NAMES[:11], *(f"scan{number}.pdf" for number in range(9))],
        "mime_type": ["application/pdf"] * 20,
        "taken": ["2024/01/02"] * 20,
        "link": [f"https://edms.example/documents/{number}/" for number in range(20)],
    }
    table, raws = paths_of(tmp_path, **columns)

    found = examine([table], raws, [index], repository, tmp_path / "examined")

    places = {one.column: [(p.root, p.strip, p.prefix) for p in one.places] for one in found.path_columns}
    assert places == {
        "filename": [("media", "", "documents/originals/")],
        "archive_filename": [("media", "", "documents/archive/")],
    }
    said = {(one.code, one.subject): (one.count, one.examples) for one in found.findings if one.code != "path-column"}
    assert said == {
        ("missing-file", "documents.Document.filename"): (1, ("0000003.pdf",)),
        ("orphan-files", "files of media"): (1, ("documents/originals/stray.pdf",)),
    }


@pytest.mark.parametrize(
    "value",
    [
        "documents/originals/{}",
        "{root}/documents/originals/{}",
        "media/documents/originals/{}",
        "/media/documents/originals/{}",
        "https://edms.example/media/documents/originals/{}?v=1",
        "documents\\originals\\{}",
        "./documents/originals/{}",
        "originals/{}",
    ],
)
def test_a_missing_file_is_counted_for_every_spelling_of_its_path(
    value: str, archive: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    (archive / "documents/originals/0000007.pdf").unlink()
    index, _ = backup()
    table, raws = paths_of(tmp_path, path=[value.format(name, root=archive) for name in NAMES] + [None, ""])

    found = by_code(examine([table], raws, [index], repository, tmp_path / "examined").findings)

    assert found["missing-file"].count == 1 and "0000007.pdf" in found["missing-file"].examples[0]
    assert found["orphan-files"].count == 14  # what is archived


@pytest.mark.parametrize(("others", "missing"), [(18, 0), (1, 1)])
def test_urls_are_missing_files_only_if_nearly_all_values_are_files(
    others: int, missing: int, archive: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    own = [f"/media/documents/originals/{name}" for name in NAMES[:2]]
    own += [f"https://dms.example/documents/originals/{name}" for name in (NAMES[2:] if others == 1 else ())]
    links = [*own, *(f"https://elsewhere.example/papers/{number}.pdf" for number in range(others))]
    table, raws = paths_of(tmp_path, link=links)

    found = examine([table], raws, [index], repository, tmp_path / "examined").findings

    assert sum(one.count for one in found if one.code == "missing-file") == missing


def test_several_conventions_in_one_column_and_lists_in_text_are_read(
    archive: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    conventions = ("{}", "documents/originals/{}", f"{archive}/documents/originals/{{}}", "gone/{}")
    mixed = [conventions[number % 4].format(name) for number, name in enumerate(NAMES)]
    archived = [f"documents/archive/{name}" for name in NAMES[:14]]
    table, raws = paths_of(
        tmp_path,
        path=mixed,
        lists=["\r\n".join(archived[:5]) + "\n", "; ".join(archived[5:10]), ",".join([*archived[10:], "documents/archive/no.pdf"])],
    )  # fmt: skip

    found = examine([table], raws, [index], repository, tmp_path / "examined")

    missing = {one.subject: (one.count, one.examples[0]) for one in found.findings if one.code == "missing-file"}
    assert missing == {
        "documents.Document.path": (5, "gone/0000004.pdf"),
        "documents.Document.lists": (1, "documents/archive/no.pdf"),
    }
    assert by_code(found.findings)["orphan-files"].count == 5


def test_a_file_name_with_a_comma_is_not_a_list(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    names = [f"a/{number}.pdf, b/{number}.pdf" for number in range(3)]
    for name in names:
        (media / name).parent.mkdir(parents=True, exist_ok=True)
        (media / name).write_bytes(b"one file")
    index, _ = backup()
    table, raws = paths_of(tmp_path, path=[*names, "a/x.pdf"])

    assert [
        one for one in examine([table], raws, [index], repository, tmp_path / "x").findings if one.severity != "info"
    ] == []


def test_a_name_that_many_files_have_costs_no_more(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    for number in range(300):
        (media / str(number)).mkdir()
        (media / str(number) / "original.pdf").write_bytes(str(number).encode())
    index, _ = backup()
    table, raws = paths_of(
        tmp_path, path=[f"{number}/original.pdf" for number in range(301)], name=["original.pdf"] * 301
    )

    found = examine([table], raws, [index], repository, tmp_path / "examined")

    assert {one.column: len(one.places) for one in found.path_columns} == {"path": 1}
    assert {one.subject: one.count for one in found.findings if one.code == "missing-file"} == {
        "documents.Document.path": 1
    }
    assert "orphan-files" not in by_code(found.findings)


def test_column_and_file_names_may_contain_any_characters(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    names = ["it's.pdf", 'a "b".pdf', "ü%_{}.pdf", "a; b, c.pdf", "月.pdf", "$1.pdf", "[x].pdf", "{y}.pdf", '"z".pdf']
    (media / "odd 'fol\"der").mkdir()
    for name in names:
        (media / "odd 'fol\"der" / name).write_bytes(name.encode())
    (media / os.fsdecode(b"no utf-8 \xff.pdf")).write_bytes(b"x")
    index, _ = backup()
    column = 'pa\'th "of" {it}'
    table, raws = paths_of(tmp_path, **{column: [*names, "gone'\".pdf", None, ""]}, empty=[None])
    table = table.model_copy(update={"model": None, "id": "odd 'table\""})
    raws = {table.id: raws["documents"]}

    found = by_code(examine([table], raws, [index], repository, tmp_path / "examined").findings)

    assert (found["missing-file"].count, found["missing-file"].examples) == (1, ("gone'\".pdf",))
    assert found["path-column"].count == len(names)
    assert found["orphan-files"].examples[-1].startswith("no utf-8")


def test_a_path_column_is_recognised_from_the_previous_snapshot_after_all_files_are_deleted(
    archive: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    table, raws = paths_of(tmp_path, path=[f"documents/originals/{name}" for name in NAMES], title=["a title"] * 20)
    before = examine([table], raws, [index], repository, tmp_path / "before")
    assert [one.column for one in before.path_columns] == ["path"]
    shutil.rmtree(archive / "documents" / "originals")
    index, _ = backup()

    after = examine([table], raws, [index], repository, tmp_path / "after", known=before.path_columns)

    found = by_code(after.findings)
    assert (found["missing-file"].subject, found["missing-file"].count) == ("documents.Document.path", 20)
    assert after.path_columns == before.path_columns
    # Another use of the column since then is no loss.
    table, raws = paths_of(tmp_path, path=["in the cellar"] * 19 + ["a/b"])
    assert examine([table], raws, [index], repository, tmp_path / "other", known=before.path_columns).path_columns == ()
