"""Fetch an index from the repository, and check every row before it is used."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.files.index import PACK_BYTES, OpenedIndex, digest_of, file_workspace, readable, unsound
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.scratch.bounded_parquet import require_bounded

_LARGEST_ID = 2**32 - 1


@contextmanager
def open_index(index: FileIndex, repository: Repository, scratch: Path | None = None) -> Iterator[OpenedIndex]:
    """Fetch an index, and check each row, the order, the totals and the digest.

    Raises:
        DamagedRepository: an object is missing or altered, or a row is not one that a backup writes.
    """
    with open_own_index(index, repository, scratch) as opened:
        _check(opened)
        yield opened


@contextmanager
def open_own_index(index: FileIndex, repository: Repository, scratch: Path | None = None) -> Iterator[OpenedIndex]:
    """Fetch an index that this run wrote. Its objects are compared with their names; its rows are not checked.

    Raises:
        DamagedRepository: an object is missing or altered.
    """
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="file-index-", dir=scratch) as folder:
        paths = []
        for number, ref in enumerate(index.index):
            path = Path(folder) / f"{number:06d}.parquet"
            repository.fetch(ref, path)
            require_bounded(path, rows=None, name=ref.sha256)
            paths.append(path)
        with file_workspace(Path(folder)) as engine:
            yield OpenedIndex(index=index, paths=tuple(paths), folder=Path(folder), engine=engine)


def _check(opened: OpenedIndex) -> None:
    index = opened.index
    packs = pa.array([ref.sha256 for ref in index.packs], pa.string())
    above: list[bytes] = []  # the folders above the last row, and itself if it is a folder
    last: bytes | None = None
    files = total = 0
    for rows in opened.batches():
        if not rows.num_rows:
            continue
        for problem, wrong in (*_wrong_rows(rows, packs), *_wrong_places(rows, last, above)):
            first = pc.index(pc.fill_null(wrong, True), True).as_py()
            if first >= 0:
                where = readable(rows["path"][first].as_py() or b"")[:200]
                raise unsound(index.root.name, f"{where!r}: {problem}")
        is_file = pc.equal(rows["kind"], "file")
        files += pc.sum(is_file).as_py()
        total += pc.sum(rows["size"]).as_py()
        last = rows["path"][-1].as_py()
        above = folders_of(last, is_folder=rows["kind"][-1].as_py() == "dir")
    with opened.workspace() as connection:
        digest = digest_of(opened.paths, connection)
    if (files, total, digest) != (index.files, index.bytes, index.digest):
        raise unsound(index.root.name, "its rows do not match the manifest")


def _wrong_rows(rows: pa.RecordBatch, packs: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """(problem, condition), for problems of single rows."""
    path, kind, size, sha256, parts = (rows[name] for name in ("path", "kind", "size", "sha256", "parts"))
    named = pc.not_equal(path, b"")
    outside = pc.match_substring_regex(path, rb"(\A|/)\.{0,2}(/|\z)")
    too_long = pc.match_substring_regex(path, rb"[^/]{256}")
    yield "not a path inside the root", pc.and_(named, pc.or_(outside, too_long))
    yield "not a path", pc.match_substring(path, b"\0")
    is_folder, is_file = pc.equal(kind, "dir"), pc.equal(kind, "file")
    count = pc.list_value_length(parts)
    empty = pc.and_(pc.and_(pc.equal(size, 0), pc.equal(sha256, "")), pc.equal(count, 0))
    yield "a folder with content", pc.and_(is_folder, pc.invert(empty))
    yield "neither a file nor a folder", pc.invert(pc.or_(is_folder, pc.and_(is_file, named)))
    hashed = pc.match_substring_regex(sha256, r"\A[0-9a-f]{64}\z")
    yield "no size or no SHA-256", pc.and_(is_file, pc.or_(pc.less(size, 0), pc.invert(hashed)))
    # The smallest 64-bit integer has no absolute value; system calls do not accept such times either.
    yield "no time", pc.less(rows["mtime_ns"], -(2**63) + 1)
    yield "no permissions", pc.not_equal(pc.bit_wise_and(rows["mode"], ~0o7777), 0)
    for name in ("uid", "gid"):
        yield "no owner", pc.or_(pc.less(rows[name], 0), pc.greater(rows[name], _LARGEST_ID))
    row_of, part = pc.list_parent_indices(parts), parts.flatten()
    stored, offset, length = part.field("object"), part.field("offset"), part.field("length")
    elsewhere = pc.invert(pc.is_in(stored, packs))
    yield "its content is in a pack the manifest does not name", _rows_of(rows, row_of, part, elsewhere)
    inside = pc.and_(
        pc.and_(pc.greater_equal(offset, 0), pc.less_equal(offset, PACK_BYTES)),
        pc.and_(pc.greater(length, 0), pc.less_equal(length, PACK_BYTES)),
    )
    ends = pc.less_equal(pc.add(offset, length), PACK_BYTES)
    yield "its content is outside its pack", _rows_of(rows, row_of, part, pc.invert(pc.and_(inside, ends)))
    # Lengths are at most those of a pack here, so a double holds their sum exactly.
    lengths = np.bincount(row_of.to_numpy(), weights=length.to_numpy(zero_copy_only=False), minlength=rows.num_rows)
    yield "its parts do not match its size", pc.not_equal(pa.array(lengths.astype(np.int64)), size)


def _rows_of(rows: pa.RecordBatch, row_of: pa.Array, part: pa.Array, wrong: pa.Array) -> pa.Array:
    """The rows with a wrong or missing part."""
    wrong = pc.or_(pc.fill_null(wrong, True), part.is_null())
    return pc.is_in(pa.array(range(rows.num_rows), row_of.type), pc.filter(row_of, wrong))


def _wrong_places(rows: pa.RecordBatch, last: bytes | None, above: Sequence[bytes]) -> Iterator[tuple[str, pa.Array]]:
    """(problem, condition), for problems of the order of rows.

    In depth-first order, a row's folder is among the rows just read or among those above the last one before them.
    """
    path = rows["path"]
    is_root = pc.equal(path, b"")
    if last is None:
        yield "the first row is not the root", pa.array([not is_root[0].as_py()])
    # To compare paths component by component, compare them with the byte 0, which no name has, in place of "/".
    order = pc.replace_substring(path, b"/", b"\0")
    first = pa.array([None if last is None else last.replace(b"/", b"\0")], pa.binary())
    before = pa.concat_arrays([first, order[:-1]])
    yield "it is repeated or out of order", pc.fill_null(pc.less_equal(order, before), False)
    folders = pc.filter(path, pc.equal(rows["kind"], "dir"))
    parent = pc.replace_substring_regex(path, rb"/?[^/]*\z", b"")
    known = pc.or_(pc.is_in(parent, folders), pc.is_in(parent, pa.array(above, pa.binary())))
    yield "its folder is not in the index", pc.invert(pc.or_(known, is_root))


def folders_of(path: bytes, *, is_folder: bool) -> list[bytes]:
    """The folders above a path, starting at the root, and the path itself if it is a folder."""
    names = path.split(b"/") if path else []
    return [b"/".join(names[:depth]) for depth in range(len(names) + is_folder)]
