"""Check that packs hold what an index says: every pack is read again and every content hashed, several at a time."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.index import OpenedIndex, readable
from edms_tasks.files.index_fetch import open_index, open_own_index
from edms_tasks.files.own_headers import header_problems
from edms_tasks.files.pack_contents import PackReader, StoredFile, files_of_several_packs, query_index, unpack
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.read_ahead import in_order
from edms_tasks.manifest import FileIndex, ObjectRef
from edms_tasks.repository import Repository

NAMES_SHOWN = 20

_PIECES = """
    SELECT parts[1]."object" AS pack, parts[1]."offset" AS start, parts[1]."length" AS length, sha256, count(*) AS files
    FROM read_parquet($paths)
    WHERE len(parts) = 1
    GROUP BY pack, start, length, sha256
    ORDER BY pack, start
"""

_EMPTY_AND_NOT = """
    SELECT DISTINCT sha256
    FROM read_parquet($paths)
    WHERE kind = 'file' AND len(parts) = 0 AND sha256 <> $nothing
"""

_IN_THESE_PACKS = """
    SELECT path
    FROM read_parquet($paths)
    WHERE list_has_any([part."object" FOR part IN parts], $packs)
    ORDER BY path
    LIMIT $most
"""

_IN_PACKS = """
    SELECT count(*), coalesce(sum(size), 0)
    FROM read_parquet($paths)
    WHERE list_has_any([part."object" FOR part IN parts], $packs)
"""

_WITH_THESE_CONTENTS = """
    SELECT path
    FROM read_parquet($paths)
    WHERE list_contains($contents, sha256)
    ORDER BY path
    LIMIT $most
"""


class _Piece(NamedTuple):
    """A content that stands in one pack."""

    pack: str
    start: int
    length: int
    sha256: str
    files: int  # that have it


class ContentProblems(NamedTuple):
    """The problems with the contents of an index's files."""

    damaged: dict[str, DamagedRepository]  # packs, by name
    wrong: frozenset[str]  # SHA-256 of wrong contents
    unread: tuple[ObjectRef, ...]  # packs without contents of a file


class _Assessed(NamedTuple):
    """What was read, and the problems found."""

    files: int
    size: int
    damaged: dict[str, DamagedRepository]  # packs, by name
    wrong: list[str]  # SHA-256 of wrong contents


def verify_files(
    index: FileIndex,
    repository: Repository,
    *,
    scratch: Path | None = None,
    progress: Progress | None = None,
    known: frozenset[str] = frozenset(),
    jobs: int = 2,
    assess: Callable[[OpenedIndex], ContentProblems] | None = None,
) -> tuple[str, ...]:
    """Read the index and every pack again, recompute every file's SHA-256 from them; returns what is wrong.

    A damaged object does not hide the others: each is named once, and so are the files that need it, up to twenty.

    Args:
        index: what to verify.
        repository: where it stands.
        scratch: folder for temporary files.
        progress: told how many files more are done.
        known: packs (SHA-256) that are known to be right and are not read.
        jobs: how many packs are read at a time.
        assess: reads the packs instead, such as in parts on several machines.
    """
    name = f"files of {index.root.name}"
    meter = Meter(progress)
    try:
        with open_index(index, repository, scratch) as opened:
            if assess is None:
                assess = partial(assess_contents, repository=repository, known=known, meter=meter, jobs=jobs)
            # Damaged headers cost no file: contents are checked all the same.
            damaged = header_problems(index, repository, opened.folder)
            problems = [f"{name}: object {error.where}: content types and metadata: {error.why}" for error in damaged]
            problems += _told(opened, repository, assess(opened))
    except DamagedRepository as error:
        # Without an intact index files cannot be checked, but packs can still be compared with their names.
        unread = [ref for ref in index.packs if ref.sha256 not in known]
        problems = [f"{name}: the index: {error.where}: {error.why}", *_damaged_objects(name, repository, unread)]
    meter.tell()
    return tuple(problems)


def assess_part(
    index: FileIndex,
    repository: Repository,
    part: PartOfPacks,
    *,
    scratch: Path,
    known: frozenset[str] = frozenset(),
    jobs: int = 2,
) -> ContentProblems:
    """Assess the contents of one part of an index's packs; all parts together are all packs. The index was checked before.

    Raises:
        DamagedRepository: the index is missing or altered.
    """
    with open_own_index(index, repository, scratch) as opened:
        return assess_contents(opened, repository, known=known, meter=Meter(None), jobs=jobs, part=part)


def all_parts(parts: Sequence[ContentProblems]) -> ContentProblems:
    """The problems of all parts."""
    damaged = {name: error for part in parts for name, error in part.damaged.items()}
    wrong = frozenset[str]().union(*(part.wrong for part in parts))
    return ContentProblems(damaged, wrong, tuple(ref for part in parts for ref in part.unread))


def _told(opened: OpenedIndex, repository: Repository, assessed: ContentProblems) -> list[str]:
    name = f"files of {opened.index.root.name}"
    problems = [f"{name}: object {pack}: {error.why}" for pack, error in assessed.damaged.items()]
    problems += _damaged_objects(name, repository, assessed.unread)
    hurt = query_index(opened, _IN_THESE_PACKS, packs=list(assessed.damaged), most=NAMES_SHOWN)
    problems += [f"{name}: {readable(path)}: its pack is damaged" for (path,) in hurt]
    hurt = query_index(opened, _WITH_THESE_CONTENTS, contents=sorted(assessed.wrong), most=NAMES_SHOWN)
    problems += [f"{name}: {readable(path)}: its content does not have the SHA-256 in the index" for (path,) in hurt]
    return problems


class PartOfPacks(NamedTuple):
    """A part of the packs: which one, of how many."""

    number: int = 0
    of: int = 1

    def __str__(self) -> str:
        return f", part {self.number + 1} of {self.of}" if self.of > 1 else ""

    def has(self, pack: str) -> bool:
        """Whether a pack belongs to it, by its name."""
        return zlib.crc32(pack.encode()) % self.of == self.number


_WHOLE = PartOfPacks()


def assess_contents(
    opened: OpenedIndex,
    repository: Repository,
    *,
    known: frozenset[str] = frozenset(),
    meter: Meter,
    jobs: int,
    part: PartOfPacks = _WHOLE,
) -> ContentProblems:
    """Read every pack that has contents of the index, except those `known` to be intact, and hash every content, on `jobs` threads.

    Of a `part`, only its packs; a file of several packs belongs to the part of its first one.
    """
    refs = {ref.sha256: ref for ref in opened.index.packs if ref.sha256 not in known}
    for files, size in query_index(opened, _IN_PACKS, packs=list(refs)):
        meter.expect(files, int(size))
    damaged: dict[str, DamagedRepository] = {}
    wrong = {sha256 for (sha256,) in query_index(opened, _EMPTY_AND_NOT, nothing=hashlib.sha256().hexdigest())}
    read: set[str] = set()

    def packs() -> Iterator[list[_Piece]]:
        pieces = map(_Piece._make, query_index(opened, _PIECES))
        for pack, contents in itertools.groupby(pieces, key=lambda piece: piece.pack):
            if pack in refs and part.has(pack):
                read.add(pack)
                yield list(contents)

    def large() -> Iterator[StoredFile]:
        for file in files_of_several_packs(opened):
            if any(one.object in refs for one in file.parts):
                read.update(one.object for one in file.parts)
                if part.has(file.parts[0].object):
                    yield file

    with ThreadPoolExecutor(jobs) as threads:
        for assessed in itertools.chain(
            in_order(threads, lambda pieces: _assess(pieces, refs[pieces[0].pack], repository), packs(), ahead=jobs),
            in_order(threads, lambda file: _assess_large(file, PackReader(opened, repository)), large(), ahead=jobs),
        ):
            damaged |= assessed.damaged
            wrong.update(assessed.wrong)
            meter.count(assessed.files, assessed.size)
    unread = tuple(ref for pack, ref in refs.items() if pack not in read and part.has(pack))
    return ContentProblems(damaged, frozenset(wrong), unread)


def _assess(pieces: list[_Piece], ref: ObjectRef, repository: Repository) -> _Assessed:
    """Read one pack and hold its contents against their SHA-256."""
    try:
        content = memoryview(unpack(repository, ref))
    except DamagedRepository as error:
        return _Assessed(0, 0, {ref.sha256: error}, [])
    wrong = []
    for _, start, length, sha256, _ in pieces:
        block = content[start : start + length]
        if len(block) != length or hashlib.sha256(block).hexdigest() != sha256:
            wrong.append(sha256)
    size = sum(piece.files * piece.length for piece in pieces)
    return _Assessed(sum(piece.files for piece in pieces), size, {}, wrong)


def _assess_large(file: StoredFile, packs: PackReader) -> _Assessed:
    try:
        for _ in packs.blocks(file):
            pass
    except DamagedRepository:
        return _Assessed(0, 0, packs.damaged, [] if packs.damaged else [file.sha256])
    return _Assessed(1, sum(part.length for part in file.parts), {}, [])


def _damaged_objects(name: str, repository: Repository, refs: Iterable[ObjectRef]) -> list[str]:
    problems = []
    for ref in refs:
        try:
            repository.check(ref)
        except DamagedRepository as error:
            problems.append(f"{name}: object {ref.sha256}: {error.why}")
    return problems
