"""The files of a masked copy: a placeholder of the same type in the place of each, no files at all, or all as they are."""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from edms_tasks.files.index import PARTS, SCHEMA
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.stored_index import stored_index
from edms_tasks.manifest import FileIndex
from edms_tasks.masking.rules import Treatment
from edms_tasks.repository import Repository

_TEXT = b"This file was replaced when the copy was masked.\n"


@dataclass(frozen=True)
class MaskedRoot:
    """The masked files of a root, and how many of them are text although their names say otherwise."""

    index: FileIndex
    treatment: Treatment
    files: int  # in the snapshot
    other_types: int


def mask_files(index: FileIndex, treatment: Treatment, repository: Repository, scratch: Path) -> MaskedRoot:
    """Make the index of a root's files as the copy has them. `repository` takes it; not the repository of the snapshot."""
    if treatment == "keep" or not index.files:
        return MaskedRoot(index, treatment, index.files, 0)
    contents = [content for _, content in _PLACEHOLDERS]
    pack = b"".join(contents)
    stored = repository.put_bytes(zstd.compress(pack))
    sizes = [0, *map(len, contents), 0]
    hashes = ["", *(hashlib.sha256(content).hexdigest() for content in contents), hashlib.sha256(b"").hexdigest()]
    parts: list[list[dict[str, object]]] = [[]]
    for number, content in enumerate(contents):
        offset = sum(map(len, contents[:number]))
        parts.append([{"object": stored.sha256, "offset": offset, "length": len(content)}])
    table = pa.table({"size": pa.array(sizes, pa.int64()), "sha256": hashes, "parts": pa.array([*parts, []], PARTS)})
    others = 0

    def masked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nonlocal others
        for batch in batches:
            kept = batch.filter(pc.not_equal(batch["kind"], "file")) if treatment == "leave-out" else batch
            if not kept.num_rows:
                continue
            chosen = _choice(kept)
            others += pc.sum(pc.equal(chosen, _OTHER)).as_py() or 0
            new = table.take(chosen)
            columns = {name: kept[name] for name in kept.schema.names} | {
                name: new[name].combine_chunks() for name in new.column_names
            }
            yield pa.RecordBatch.from_arrays([columns[field.name] for field in SCHEMA], schema=SCHEMA)

    with open_index(index, repository, scratch) as opened:
        made = stored_index(index, masked(opened.batches()), repository, scratch / "masked")
    packs: dict[str, object] = (
        {"packs": (stored,), "pack_bytes": {stored.sha256: len(pack)}}
        if made.files
        else {"packs": (), "pack_bytes": {}}
    )
    packs["headers"] = None  # a disposition may name a person
    return MaskedRoot(made.model_copy(update=packs), treatment, index.files, others)


def _choice(rows: pa.RecordBatch) -> pa.Array:
    """For each row the number of its placeholder: 0 for folders; empty files stay empty."""
    chosen: pa.Array = pa.array([_OTHER] * rows.num_rows, pa.int64())
    for number, (pattern, _) in enumerate(_PLACEHOLDERS, 1):
        if pattern:
            fits = pc.match_substring_regex(rows["path"], pattern, ignore_case=True)
            chosen = pc.if_else(fits, number, chosen)
    chosen = pc.if_else(pc.equal(rows["size"], 0), len(_PLACEHOLDERS) + 1, chosen)
    return pc.if_else(pc.equal(rows["kind"], "dir"), 0, chosen)


def _pdf() -> bytes:
    """A PDF of one page that says what it is."""
    line = b"BT /F1 14 Tf 72 720 Td (Placeholder of a masked copy) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(line), line),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    made = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return (
        made
        + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
        + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(made))
    )


def _png() -> bytes:
    """A grey PNG of one pixel."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00\x80")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x80\x80\x80\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'
_JSON = b"{}\n"
_XML = b"<placeholder/>\n"
_PLACEHOLDERS: tuple[tuple[str, bytes], ...] = (
    (r"\.pdf$", _pdf()),
    (r"\.png$", _png()),
    (r"\.gif$", _GIF),
    (r"\.svg$", _SVG),
    (r"\.json$", _JSON),
    (r"\.(xml|xhtml)$", _XML),
    (r"\.(txt|text|md|rst|csv|log|html?|ini|toml|ya?ml)$", _TEXT),
    ("", _TEXT),
)
_OTHER = len(_PLACEHOLDERS)
