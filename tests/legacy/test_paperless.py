"""Exports of paperless-ngx in each form that its exporter writes, made by a small generator from its public source."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from edms_tasks.errors import UnreadableBackup
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.paperless_reader import PaperlessReader
from edms_tasks.legacy.source import Source

_BUNDLE = "__exported_share_link_bundle_name__"
_ORIGINAL, _ARCHIVE, _THUMBNAIL = "__exported_file_name__", "__exported_archive_name__", "__exported_thumbnail_name__"
Row = dict[str, Any]


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def document(number: int, **changed: Any) -> Row:
    fields = {
        "title": f"Bill {number}",
        "filename": f"2024/bill {number}.pdf",
        "checksum": _md5(f"original {number}".encode()),
        "archive_filename": f"2024/bill {number}-a.pdf",
        "archive_checksum": _md5(f"archive {number}".encode()),
        "tags": [],
    }
    names = {_ORIGINAL: f"b{number}.pdf", _ARCHIVE: f"b{number}-archive.pdf", _THUMBNAIL: f"b{number}-thumbnail.webp"}
    return {"model": "documents.document", "pk": number, "fields": fields | changed, **names}


def files_of(rows: list[Row]) -> dict[str, bytes]:
    kinds = {_ORIGINAL: "original", _ARCHIVE: "archive", _THUMBNAIL: "thumbnail"}
    return {row[key]: f"{kind} {row['pk']}".encode() for row in rows for key, kind in kinds.items() if key in row}


def export(
    path: Path,
    documents: list[Row],
    *,
    split: str | None = None,
    about: Mapping[str, Any] | None = None,
    **others: bytes,
) -> Path:
    """A folder, or a zip if the path ends so. `split`: the folder of the manifests of single documents."""
    rows = [{"model": "documents.tag", "pk": 1, "fields": {"name": "inbox"}}]
    files = files_of(documents) | others
    if split is None:
        rows += documents
    else:
        for row in documents:
            files[f"{split}b{row['pk']}.pdf-manifest.json"] = json.dumps([row]).encode()
    files |= {
        "manifest.json": json.dumps(rows, indent=2).encode(),
        "metadata.json": json.dumps(about or {"version": "2.14.7"}).encode(),
    }
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files.items()):
                archive.writestr(name, content)
        return path
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def read(path: Path, folder: Path, *, look_only: bool = False, passphrase: str = "") -> OldBackup:
    folder.mkdir()
    reader = recognise(path)[0][0]
    assert isinstance(reader, PaperlessReader)
    return reader.read(Source(path), Scratch(folder, look_only=look_only, passphrase=passphrase))


def losses(old: OldBackup) -> set[str]:
    return {one.code for one in old.losses}


_KEPT = {
    f"documents/{place}/{name}": f"{kind} {number}".encode()
    for number in (1, 2)
    for place, kind, name in (
        ("originals", "original", f"2024/bill {number}.pdf"),
        ("archive", "archive", f"2024/bill {number}-a.pdf"),
        ("thumbnails", "thumbnail", f"000000{number}.webp"),
    )
}


@pytest.mark.parametrize("name", ["export", "export.zip"])
@pytest.mark.parametrize("split", [None, "", "json/"])
def test_rows_and_files_of_each_form_are_where_paperless_keeps_them(
    name: str, split: str | None, tmp_path: Path
) -> None:
    old = read(export(tmp_path / name, [document(1), document(2)], split=split), tmp_path / "scratch")

    (media,) = old.folders
    assert media.path is not None
    assert {rows.model: rows.rows for rows in old.rows} == {"documents.document": 2, "documents.tag": 1}
    found = {
        path.relative_to(media.path).as_posix(): path.read_bytes() for path in media.path.rglob("*") if path.is_file()
    }
    assert found == _KEPT
    assert not losses(old)
    assert old.facts == {"paperless-ngx version": "2.14.7"}
    assert old.cut_times


def test_a_look_counts_and_checks_and_keeps_no_file(tmp_path: Path) -> None:
    old = read(export(tmp_path / "export", [document(1, checksum="0" * 32)]), tmp_path / "scratch", look_only=True)

    assert losses(old) == {"old-checksum-differs"}
    assert old.folders[0].files == 3
    assert all(rows.path is None for rows in old.rows)
    assert not [path for path in (tmp_path / "scratch" / "files").rglob("*") if path.is_file()]


def test_names_in_folders_by_kind_are_found(tmp_path: Path) -> None:
    row = document(1) | {_ORIGINAL: "originals/b1.pdf", _ARCHIVE: "archive/b1.pdf", _THUMBNAIL: "thumbnails/b1.webp"}

    old = read(export(tmp_path / "export", [row]), tmp_path / "scratch")

    assert old.folders[0].files == 3
    assert not losses(old)


def test_what_was_not_exported_is_counted(tmp_path: Path) -> None:
    rows = [{key: value for key, value in document(n).items() if key not in (_ARCHIVE, _THUMBNAIL)} for n in (1, 2)]

    old = read(export(tmp_path / "export", rows), tmp_path / "scratch")

    found = {one.subject: one.count for one in old.findings if one.code == "old-files-not-exported"}
    assert found == {"archive": 2, "thumbnails": 2}


def test_a_file_that_is_missing_is_a_loss(tmp_path: Path) -> None:
    path = export(tmp_path / "export", [document(1), document(2)])
    (path / "b2.pdf").unlink()

    (missing,) = read(path, tmp_path / "scratch").losses

    assert (missing.code, missing.count, missing.examples) == ("old-files-missing", 1, ("b2.pdf",))


def test_values_encrypted_with_a_passphrase_are_counted(tmp_path: Path) -> None:
    about = {"version": "2.14.7", "__crypto__": {"__salt_hex__": "00"}}
    account = {"model": "paperless_mail.mailaccount", "pk": 1, "fields": {"password": "674141", "refresh_token": None}}

    old = read(export(tmp_path / "export", [document(1), account], about=about), tmp_path / "scratch")

    (encrypted,) = old.losses
    assert (encrypted.code, encrypted.subject, encrypted.count) == (
        "old-values-encrypted",
        "paperless_mail.mailaccount",
        1,
    )
    assert "674141" not in repr(old.findings)


HOSTILE: dict[str, Callable[[Row], Row]] = {
    "the row's name climbs out": lambda row: row | {"fields": row["fields"] | {"filename": "../../evil.pdf"}},
    "the exported name climbs out": lambda row: row | {_ORIGINAL: "../evil.pdf"},
    "two kinds have one file": lambda row: row | {_ARCHIVE: row[_ORIGINAL]},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_names_that_lead_elsewhere_are_refused(what: str, tmp_path: Path) -> None:
    (tmp_path / "evil.pdf").write_bytes(b"original 1")
    row = HOSTILE[what](document(1))
    path = export(tmp_path / "export.zip", [row])

    old = read(path, tmp_path / "scratch")

    assert "old-member-refused" in losses(old)
    assert not list((tmp_path / "scratch").rglob("evil.pdf"))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_cut_zip_never_passes_for_a_whole_one(keep: float, tmp_path: Path) -> None:
    path = export(tmp_path / "export.zip", [document(1)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    found = recognise(path)
    try:
        old = read(path, tmp_path / "scratch") if found and isinstance(found[0][0], PaperlessReader) else None
    except UnreadableBackup:
        return
    assert old is None or losses(old)


@pytest.mark.parametrize("text", ['{"version": "2.14.7", "__crypto__": {', "[" * 100_000])
def test_metadata_that_cannot_be_read_are_a_loss(text: str, tmp_path: Path) -> None:
    path = export(tmp_path / "export", [document(1)])
    (path / "metadata.json").write_text(text)

    (unreadable,) = read(path, tmp_path / "scratch").losses

    assert (unreadable.code, unreadable.subject) == ("old-rows-damaged", "metadata.json")


def test_checksums_of_version_3_are_compared(tmp_path: Path) -> None:
    right = document(
        1, checksum=hashlib.sha256(b"original 1").hexdigest(), archive_checksum=None, archive_filename=None
    )
    del right[_ARCHIVE]
    wrong = document(2, checksum=hashlib.sha256(b"original 1").hexdigest())

    old = read(export(tmp_path / "export", [right, wrong]), tmp_path / "scratch")

    (differs,) = old.losses
    assert (differs.code, differs.examples) == ("old-checksum-differs", ("b2.pdf",))


def test_bundles_of_shared_links_are_where_paperless_keeps_them(tmp_path: Path) -> None:
    name = "share_link_bundles/2026/abc.zip"
    bundles = [
        {"model": "documents.sharelinkbundle", "pk": 1, "fields": {"file_path": "2026/abc.zip"}, _BUNDLE: name},
        {"model": "documents.sharelinkbundle", "pk": 2, "fields": {"file_path": ""}},
    ]

    old = read(export(tmp_path / "export", [document(1), *bundles], **{name: b"zipped"}), tmp_path / "scratch")

    assert old.folders[0].path is not None
    assert (old.folders[0].path / "documents" / name).read_bytes() == b"zipped"
    assert not losses(old)


def test_a_document_without_a_name_has_paperlesss_own(tmp_path: Path) -> None:
    old = read(export(tmp_path / "export", [document(7, filename=None)]), tmp_path / "scratch")

    assert old.folders[0].path is not None
    assert (old.folders[0].path / "documents/originals/0000007.pdf").read_bytes() == b"original 7"


def test_a_row_that_names_no_exported_original_is_a_loss(tmp_path: Path) -> None:
    row = document(1)
    del row[_ORIGINAL]

    (missing,) = read(export(tmp_path / "export", [row]), tmp_path / "scratch").losses

    assert (missing.code, missing.examples) == ("old-files-missing", ("originals/2024/bill 1.pdf",))


def test_two_documents_with_one_name_are_not_one_file(tmp_path: Path) -> None:
    path = export(tmp_path / "export", [document(1), document(2, filename="2024/bill 1.pdf")])

    for look_only in (True, False):
        old = read(path, tmp_path / f"scratch {look_only}", look_only=look_only)
        assert losses(old) >= {"old-member-refused"}


@pytest.mark.parametrize("first", [1, 2])
def test_a_thumbnail_that_the_exporter_overwrote_is_that_of_the_last_document(first: int, tmp_path: Path) -> None:
    rows = [document(number) | {_THUMBNAIL: "a-thumbnail.webp"} for number in (first, 3 - first)]

    old = read(export(tmp_path / "export", rows, **{"a-thumbnail.webp": b"thumbnail 2"}), tmp_path / "scratch")

    assert old.folders[0].path is not None
    thumbnails = old.folders[0].path / "documents" / "thumbnails"
    assert {one.name: one.read_bytes() for one in thumbnails.iterdir()} == {"0000002.webp": b"thumbnail 2"}
    (said,) = [one for one in old.findings if one.code == "old-files-not-exported"]
    assert (said.subject, said.count, said.severity) == ("thumbnails", 1, "warning")


@pytest.mark.parametrize("look_only", [True, False])
def test_the_passphrase_decrypts_what_the_export_encrypted(look_only: bool, tmp_path: Path) -> None:
    path, account = _encrypted_export(tmp_path / "export", "the passphrase", "geheim ✓")

    old = read(path, tmp_path / "scratch", look_only=look_only, passphrase="the passphrase")

    assert not losses(old)
    if not look_only:
        (rows,) = [one for one in old.rows if one.model == account["model"]]
        assert rows.path is not None
        (row,) = map(json.loads, rows.path.read_text(encoding="utf-8").splitlines())
        assert row["fields"] == {"password": "geheim ✓", "refresh_token": None, "name": "post"}
        assert len(rows.path.read_bytes().splitlines()[0]) <= rows.longest


@pytest.mark.parametrize("changed", [{}, {"__key_algo__": "none"}, {"__key_iters__": 10**15}, {"__salt_hex__": 7}])
def test_a_passphrase_that_does_not_fit_is_a_loss(changed: dict[str, Any], tmp_path: Path) -> None:
    path, _ = _encrypted_export(tmp_path / "export", "the passphrase", "geheim", **changed)

    old = read(path, tmp_path / "scratch", passphrase="the passphrase" if changed else "another one")

    (encrypted,) = old.losses
    assert (encrypted.code, encrypted.count) == ("old-values-encrypted", 1)
    assert "passphrase" not in encrypted.message.replace("The passphrase", "").replace("export's passphrase", "")
    assert "another" not in encrypted.message


def _encrypted_export(path: Path, passphrase: str, password: str, **changed: Any) -> tuple[Path, Row]:
    """An export as paperless encrypts it: PBKDF2, then a token of Fernet in hexadecimal digits."""
    salt = b"sixteen bytes ok"
    key = base64.urlsafe_b64encode(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, 1000, 32))
    token = Fernet(key).encrypt(password.encode()).hex()
    said = {"__key_algo__": "pbkdf2_sha256", "__key_iters__": 1000, "__key_size__": 32, "__salt_hex__": salt.hex()}
    account = {
        "model": "paperless_mail.mailaccount",
        "pk": 1,
        "fields": {"password": token, "refresh_token": None, "name": "post"},
    }
    about = {"version": "2.20.0", "__crypto__": said | changed}
    return export(path, [document(1), account], about=about), account


def test_an_export_before_version_2_has_its_version_elsewhere(tmp_path: Path) -> None:
    path = export(tmp_path / "export", [document(1)])
    (path / "metadata.json").rename(path / "version.json")
    (path / "version.json").write_text('{"version": "1.17.0"}')

    assert read(path, tmp_path / "scratch").facts["paperless-ngx version"] == "1.17.0"
