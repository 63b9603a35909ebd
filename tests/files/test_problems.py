"""Rows that name files the snapshot has not, and files no row names, are both counted and named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.files import find_file_problems
from edms_tasks.inventory.model import Column, FileNameReference, Finding, Table
from edms_tasks.manifest import Encoding
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from tests.files.conftest import Backup

TABLE = Table(
    id="documents",
    schema_name=None,
    name="documents",
    model="documents.Document",
    columns=(Column(name="file", native_type="varchar(100)", logical_type="text", nullable=True),),
    file_columns=(("file", "media"),),
)


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


def test_a_whole_path_names_the_file_below_the_root(
    stored: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    values: list[str | None] = [f"{stored}/a.pdf", f"{stored}/ü/b.pdf", "orphan.pdf"]
    assert find_file_problems([TABLE], raw_of(tmp_path, values), [index], repository) == ()


def test_tagged_values_are_understood(stored: Path, repository: Repository, backup: Backup, tmp_path: Path) -> None:
    index, _ = backup()
    values: list[str | None] = ["t" + b"a.pdf".hex().upper(), "b" + "ü/b.pdf".encode().hex().upper(), "i42", None, "t"]
    found = by_code(find_file_problems([TABLE], raw_of(tmp_path, values, "tagged"), [index], repository))
    assert found["missing-file"].examples == ("42",)
    assert found["orphan-files"].examples == ("orphan.pdf",)


def test_a_table_left_out_makes_no_orphans(stored: Path, repository: Repository, backup: Backup) -> None:
    index, _ = backup()
    assert find_file_problems([TABLE], {}, [index], repository) == ()


def test_a_root_no_column_uses_has_no_orphans(
    stored: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    table = TABLE.model_copy(update={"file_columns": ()})
    assert find_file_problems([table], raw_of(tmp_path, ["gone"]), [index], repository) == ()


def test_every_row_is_missing_its_file_when_the_root_is_gone(
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
