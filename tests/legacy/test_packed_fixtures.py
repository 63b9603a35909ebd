"""Fixtures in a zip or tar, and with the files of roots beside them, are read like others; what is cut or left over is named."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.source import Source

ROWS = [{"model": "documents.document", "pk": n, "fields": {"title": f"Bill {n}"}} for n in range(1, 200)]
MEMBERS = {
    "data.jsonl": "".join(f"{json.dumps(row)}\n" for row in ROWS).encode(),
    "data.jsonl.sha256": b"0",
    "files/media/2024/a.txt": b"a",
    "files/media/b.txt": b"bb",
    "files/scans/c.txt": b"ccc",
}


def packed(path: Path, members: dict[str, bytes], top: str = "") -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(top + name, content)
    elif path.suffix:
        with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(top + name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        for name, content in members.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


def read(path: Path, folder: Path) -> OldBackup:
    folder.mkdir()
    ((reader, seen), *_) = recognise(path)
    assert seen.format == "dumpdata"
    return reader.read(Source(path), Scratch(folder))


@pytest.mark.parametrize(("name", "top"), [("a.zip", ""), ("a.tgz", "./"), ("a.tar", "leaving/"), ("a", "")])
def test_rows_and_files_of_roots_are_there(name: str, top: str, tmp_path: Path) -> None:
    members = {one: content for one, content in MEMBERS.items() if name != "a" or not one.endswith("sha256")}

    old = read(packed(tmp_path / name, members, top), tmp_path / "scratch")

    assert {one.model: one.rows for one in old.rows} == {"documents.document": len(ROWS)}
    found = {
        f"{folder.name}/{path.relative_to(folder.path)}": path.read_bytes()
        for folder in old.folders
        if folder.path is not None
        for path in folder.path.rglob("*")
        if path.is_file()
    }
    assert found == {"media/2024/a.txt": b"a", "media/b.txt": b"bb", "scans/c.txt": b"ccc"}
    assert not old.losses


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a"])
@pytest.mark.parametrize("other", ["report.pdf", "more.json", "files/without-a-root.txt"])
def test_what_is_neither_rows_nor_of_a_root_is_lost_by_name(name: str, other: str, tmp_path: Path) -> None:
    old = read(packed(tmp_path / name, {**MEMBERS, "data.jsonl.sha256": b"", other: b"{}"}), tmp_path / "scratch")

    found = [one for one in old.findings if one.code == "old-not-converted"]
    assert [other in " ".join(one.examples) for one in found] == [True]
    assert found[0].severity == ("warning" if (name, other) == ("a", "report.pdf") else "error")


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_a_cut_archive_is_never_whole(name: str, tmp_path: Path) -> None:
    content = packed(tmp_path / name, MEMBERS).read_bytes()
    cut = tmp_path / f"cut{Path(name).suffix}"
    for number, share in enumerate((0.3, 0.6)):
        cut.write_bytes(content[: int(len(content) * share)])
        if recognise(cut):
            assert read(cut, tmp_path / f"scratch{number}").losses


def test_members_that_lead_out_are_refused_and_the_rows_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {**MEMBERS, "../out.json": b"[]", "files/media/../../../x": b"x"})

    old = read(path, tmp_path / "scratch")

    assert {one.code for one in old.losses} == {"old-member-refused"}
    assert sum(one.rows for one in old.rows) == len(ROWS)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar"])
def test_rows_behind_a_thousand_files_are_found(name: str, tmp_path: Path) -> None:
    files = {f"files/media/{number:04}.txt": b"a" for number in range(1_000)}
    old = read(packed(tmp_path / name, files | {"zz.jsonl": MEMBERS["data.jsonl"]}), tmp_path / "scratch")

    assert [(one.model, one.rows) for one in old.rows] == [("documents.document", len(ROWS))]
    assert [(one.name, one.files) for one in old.folders] == [("media", 1_000)]
    assert not old.losses
