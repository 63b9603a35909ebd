"""A small whole backup of each format that is read without a server, as the files that it consists of."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.old_backup import OldBackup, Scratch
from edms_tasks.legacy.source import Source
from tests.legacy.test_packed_dumps import tar

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_TIMES = "20240102_030405"
_REAL = Path(__file__).with_name("dbbackup_files")
_ROWS: list[dict[str, Any]] = [
    {"model": "users.role", "pk": n, "fields": {"name": f"röle {n}", "tags": [1, n], "at": "2024-01-02T03:04:05.678Z"}}
    for n in range(1, 30)
]
JSON = json.dumps(_ROWS, indent=2, ensure_ascii=False).encode()
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in _ROWS)
XML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<django-objects version="1.0">'
    + "".join(
        f'<object model="users.role" pk="{n}"><field name="name" type="CharField">röle &amp; {n}</field></object>'
        for n in range(1, 30)
    )
    + "</django-objects>"
).encode()
YAML = "".join(
    f"- model: users.role\n  pk: {n}\n  fields:\n    name: 'röle {n}'\n    on: true\n" for n in range(1, 30)
).encode()
_FILES = {f"media/doc/{n}.pdf": bytes([n]) * 700 for n in range(3)}


def _package() -> dict[str, bytes]:
    listed = {name: {"size": len(data), "checksum": hashlib.sha256(data).hexdigest()} for name, data in _FILES.items()}
    database = {
        "database_backup.json": JSON,
        "backup_metadata.json": json.dumps({"total_records": len(_ROWS)}).encode(),
        "schema_info.txt": b"Tables: 1",
        "restore_instructions.sh": b"#!/bin/sh",
    }
    checksums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in database.items())
    return {
        "metadata.json": b'{"export_type": "migration_package", "export_timestamp": "2024-01-02T03:04:05"}',
        **{f"database/{name}": data for name, data in database.items()},
        "database/checksum.txt": checksums.encode(),
        "storage/manifest.json": json.dumps({"files": listed}).encode(),
        **{f"storage/{name}": data for name, data in _FILES.items()},
    }


def _paperless(*, split: bool) -> dict[str, bytes]:
    files: dict[str, bytes] = {"metadata.json": b'{"version": "2.20.0"}'}
    rows: list[dict[str, Any]] = [{"model": "documents.tag", "pk": 1, "fields": {"name": "inbox"}}]
    for number in range(1, 6):
        data = bytes([number]) * 500
        files[f"b{number}.pdf"], files[f"b{number}-thumbnail.webp"] = data, b"webp" * 20
        row = {
            "model": "documents.document",
            "pk": number,
            "fields": {
                "filename": f"2024/{number}.pdf",
                "checksum": hashlib.md5(data).hexdigest(),
                "archive_filename": None,
            },
            "__exported_file_name__": f"b{number}.pdf",
            "__exported_thumbnail_name__": f"b{number}-thumbnail.webp",
        }
        if split:
            files[f"b{number}-manifest.json"] = json.dumps([row]).encode()
        else:
            rows.append(row)
    return files | {"manifest.json": json.dumps(rows, indent=2).encode()}


def _zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def _without_rows() -> bytes:
    said = {
        "backup_type": "django_native_database",
        "tables_info": {f"table_{n}": {"column_count": n} for n in range(40)},
    }
    return gzip.compress(json.dumps(said).encode())


_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}


def backups() -> dict[str, dict[str, bytes]]:
    """Name -> the files of a whole backup; more than one file, or a path, is a folder."""
    made: dict[str, dict[str, bytes]] = {}
    for kind, text in {"json": JSON, "jsonl": LINES, "xml": XML, "yaml": YAML}.items():
        for suffix, compressed in _COMPRESSIONS.items():
            made[f"old.{kind}{suffix}"] = {f"old.{kind}{suffix}": compressed(text)}
    packed = {f"./{name}": data for name, data in _package().items()}
    files = {f"media/{name}": data for name, data in _FILES.items()}
    for name, data in {
        f"edms_migration_package_{_TIMES}.tar.gz": tar(packed),
        f"edms_migration_package_{_TIMES}.tar": tar(packed, "w"),
        f"database_backup_{_TIMES}.json.gz": gzip.compress(JSON),
        f"full_backup_{_TIMES}.tar.gz": tar({"database.sql.gz": _without_rows(), **files}),
        f"files_backup_{_TIMES}.tar.gz": tar(files),
        f"files_backup_{_TIMES}.tar": tar(files, "w"),
        f"incremental_backup_{_TIMES}.tar.gz": tar(files),
        f"differential_backup_{_TIMES}.tar.gz": tar(files),
        f"workflow_history_{_TIMES}.json": JSON.replace(b'"pk": 7', b'"pk": null'),
        "export.zip": _zipped(_paperless(split=False)),
        "split export.zip": _zipped(_paperless(split=True)),
    }.items():
        made[name] = {name: data}
    made["package folder"] = {f"package folder/{name}": data for name, data in _package().items()}
    made["export folder"] = {f"export folder/{name}": data for name, data in _paperless(split=False).items()}
    made["split export folder"] = {f"split export folder/{name}": data for name, data in _paperless(split=True).items()}
    for path in sorted(_REAL.iterdir()):
        if not path.name.endswith(".metadata"):
            beside = path.with_name(f"{path.name}.metadata")
            made[path.name] = {path.name: path.read_bytes()}
            if beside.exists():
                made[path.name][beside.name] = beside.read_bytes()
    return made


def written(backup: Mapping[str, bytes], folder: Path) -> Path:
    """Write a backup's files; the path of the backup."""
    for name, data in backup.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / next(iter(backup)).split("/")[0]


def read_backup(path: Path, folder: Path, *, look_only: bool = True) -> OldBackup | None:
    """What a reader finds; None if none knows it. Raises errors of ours."""
    found = recognise(path)
    folder.mkdir()
    return found[0][0].read(Source(path), Scratch(folder, look_only=look_only)) if found else None


def content_of(path: Path, folder: Path) -> dict[str, Any]:
    """All that a backup holds: its rows, the numbers of rows in its dump, and its files."""
    old = read_backup(path, folder, look_only=False)
    assert old is not None
    held: dict[str, Any] = {f"table {name}": count for name, count in (old.dump.rows if old.dump else {}).items()}
    held |= {one.model: one.path.read_text(encoding="utf-8") for one in old.rows if one.path is not None}
    for one in old.folders:
        assert one.path is not None  # it was unpacked
        held |= {
            f"{one.name}/{file.relative_to(one.path)}": file.read_bytes()
            for file in one.path.rglob("*")
            if file.is_file()
        }
    return held
