"""Mirror a repository: every stored file of one place, byte for byte, at another. It needs no key.

What a snapshot needs is at the target before the snapshot is: objects, then what is known of snapshots, then their manifests. So a
copy that was killed holds whole snapshots only, and the next one continues it. Nothing is removed at the target: it may keep
snapshots longer than the source does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from edms_tasks.errors import AnotherRepository, DamagedRepository, SettingsError, UnknownSnapshot
from edms_tasks.json_text import parsed_json
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.config import CONFIG, OWN_NAMES
from edms_tasks.repository.lost_snapshots import lost_snapshots
from edms_tasks.repository.reader_leases import reading
from edms_tasks.repository.repository_lock import hold

_NEVER_CHANGED = ("objects", "records", "signatures", "snapshots")
"""Folders whose files are written once. Signatures before snapshots, because a snapshot without one counts as forged."""
_CHANGED = ("keys", "heads", "proved")
_REPORTS = "reports"
"""Before the log, whose entries name them. No snapshot needs one."""
_SMALL = 16 * 1024 * 1024
_REPLACED = "replaced"
_ATTEMPTS = 5

Count = Callable[[int, int], None]
"""Told of files and bytes."""


@dataclass
class Mirrored:
    """What a copy did.

    Args:
        snapshots: ids of the snapshots that were copied.
        files, bytes: of everything that was written, and read back.
        already: number of files that were at the target.
        problems: files that could not be copied, and why.
        lost: snapshots that the source has lost, as sentences.
        notes: what somebody should know.
    """

    snapshots: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    already: int = 0
    problems: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def mirror(
    source: Backend, target: Backend, *, named_by_content: bool, jobs: int, expect: Count, progress: Count
) -> Mirrored:
    """Copy what the target lacks, and read it back.

    Args:
        source: the repository.
        target: an empty place, or an earlier copy.
        named_by_content: whether objects are named by the SHA-256 of their stored bytes, so that damaged ones are noticed.
        jobs: files copied at the same time.
        expect: told how many objects and bytes are to be copied.
        progress: told of each file.

    Raises:
        AnotherRepository: the target holds another repository.
        SettingsError: the target holds something else.
        RepositoryLocked: another run writes to the target.
    """
    made = Mirrored()
    config = source.read(CONFIG, _SMALL)
    if "encryption" in parsed_json(config) and not any(True for _ in source.names("keys")):
        made.problems.append("keys/: the source has no keys any more, so nobody can open it. Put them back first.")
        return made
    with ExitStack() as held:
        held.enter_context(hold(target, "copy"))
        # Manifests are listed before objects: a backup that ends meanwhile may have objects that are not listed yet.
        snapshots, why = _held_snapshots(source, held)
        if why:
            made.notes.append(f"A prune of the source would not wait for this copy: {why}")
        anew = _keys_were_changed(target, config)
        if anew:
            _set_aside(target, "keys")
            made.notes.append("The source was encrypted anew, so all objects are copied anew.")
        copying = _Copying(source, target, made, named_by_content=named_by_content, progress=progress)
        with ThreadPoolExecutor(jobs) as threads:
            there = {} if anew else dict(target.names("objects"))
            needed = dict(source.names("objects"))
            lacking = [one for one in needed.items() if there.get(one[0]) != one[1]]
            expect(len(lacking), sum(size for _, size in lacking))
            list(threads.map(copying.file, lacking))
            made.already = len(there)
            target.retain([name for name in there if name in needed])  # those copied now are kept by being written
            for folder in _CHANGED[:1]:
                copying.changed(folder)
            for folder in _NEVER_CHANGED[1:]:
                known = {} if anew else dict(target.names(folder))
                names = [one for one in source.names(folder) if known.get(one[0]) != one[1]]
                if folder == "snapshots":
                    names = [one for one in names if one[0] in snapshots and not made.problems]
                    made.snapshots = [PurePosixPath(name).stem for name, _ in names]
                list(threads.map(copying.file, names))
            complete = not made.problems
            known = {} if anew else dict(target.names(_REPORTS))
            list(threads.map(copying.file, [one for one in source.names(_REPORTS) if known.get(one[0]) != one[1]]))
            for folder in _CHANGED[1:]:
                copying.changed(folder)
        before = _ids(target) - set(made.snapshots)
        entries = {name for name, _ in source.names("log")} - {name for name, _ in target.names("log")}
        made.lost = lost_snapshots(source, before, made.snapshots, sorted(entries))
        _copy_log(copying, made)
        if target.size(CONFIG) is None or target.read(CONFIG, _SMALL) != config:
            target.write(CONFIG, [config])
    if not complete:
        made.snapshots = []
        made.notes.append("No snapshot was added to the copy, because objects that some need are missing.")
    return made


class _Copying:
    """Copies files one by one, and reads each back."""

    def __init__(
        self, source: Backend, target: Backend, made: Mirrored, *, named_by_content: bool, progress: Count
    ) -> None:
        self.source, self.target, self._made = source, target, made
        self._named_by_content, self._progress = named_by_content, progress
        self._counting = threading.Lock()  # several threads copy

    def file(self, one: tuple[str, int]) -> None:
        """Copy a file; a problem if it is damaged at the source, or cannot be read back as it was written."""
        name, size = one
        digest = hashlib.sha256()
        try:
            self.target.write(name, _hashed(self.source.blocks(name), digest))
            copied = digest.hexdigest()
            if self._named_by_content and name.startswith("objects/") and PurePosixPath(name).name != copied:
                self.target.remove(name)
                raise DamagedRepository(
                    "It is damaged at the source.", where=name, why="Its content does not match its name."
                )
            read_back = hashlib.sha256()
            for block in self.target.blocks(name):
                read_back.update(block)
            if read_back.hexdigest() != copied:
                self.target.remove(name)
                raise DamagedRepository("It was read back with other bytes.", where=name, why="The target is damaged.")
        except FileNotFoundError:
            self._made.problems.append(f"{name}: it is gone from the source.")
            return
        except DamagedRepository as damage:
            self._made.problems.append(f"{name}: {damage.what} {damage.why}")
            return
        self._count(size)
        self._progress(1, size)

    def _count(self, size: int) -> None:
        with self._counting:
            self._made.files += 1
            self._made.bytes += size

    def changed(self, folder: str) -> None:
        """Copy the files of a folder whose files change; few and small."""
        for name, size in source_names(self.source, folder):
            data = self.source.read(name, _SMALL)
            if self.target.size(name) != size or self.target.read(name, _SMALL) != data:
                self.target.write(name, [data])
                self._count(size)


def source_names(source: Backend, folder: str) -> list[tuple[str, int]]:
    """The files of a folder, with their sizes; those that are too large to be ours are left out."""
    return [(name, size) for name, size in source.names(folder) if size <= _SMALL]


def require_copy_or_nothing(source: Backend, target: Backend) -> None:
    """Refuse a target with another repository, or with something else. An interrupted copy has no config.json yet."""
    ours_at, theirs_at = source.local_folder, target.local_folder
    if source.display == target.display or (
        ours_at is not None
        and theirs_at is not None
        and (
            theirs_at.resolve().is_relative_to(ours_at.resolve())
            or ours_at.resolve().is_relative_to(theirs_at.resolve())
        )
    ):
        raise SettingsError(
            "The copy would be in the repository itself, or around it.",
            where=target.display,
            why=f"The repository is at {source.display}.",
            fix="Name a place on another disk.",
        )
    theirs = _config(target)
    if theirs is None:
        if strangers := sorted(target.top_level() - OWN_NAMES - {_REPLACED}):
            raise SettingsError(
                "The folder for the copy contains something else.",
                where=target.display,
                why=f"It has no config.json, but {strangers[0]!r}.",
                fix="Name a new or empty folder, or an earlier copy.",
            )
        return
    ours = parsed_json(source.read(CONFIG, _SMALL))
    if ours.get("id") != theirs.get("id"):
        raise AnotherRepository(
            "The target is another repository, and no copy of this one.",
            where=target.display,
            why=f"It has the id {theirs.get('id')}; this one has {ours.get('id')}.",
            fix="Name a new or empty folder. To add snapshots to another repository: `edms-backup import`.",
        )


def _keys_were_changed(target: Backend, config: bytes) -> bool:
    there, now = _config(target), parsed_json(config)
    return there is not None and bool(there.get("encryption") != now.get("encryption"))


def _config(target: Backend) -> dict[str, object] | None:
    """The config of an earlier copy; None if there is none, or it was not written to its end."""
    try:
        found = parsed_json(target.read(CONFIG, _SMALL))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _set_aside(target: Backend, folder: str) -> None:
    """Keep the files of a folder under another name: until all is copied anew, the old objects need the old keys."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for name, _ in source_names(target, folder):
        target.write(f"{_REPLACED}/{stamp}/{name}", [target.read(name, _SMALL)])


def _held_snapshots(source: Backend, held: ExitStack) -> tuple[set[str], str]:
    """The names of the source's manifests, which no prune removes from now on; and why one would, or ""."""
    attempt = 0
    while True:
        attempt += 1
        names = {name for name, _ in source.names("snapshots")}
        try:
            ids = [PurePosixPath(name).stem for name in sorted(names)]
            return names, held.enter_context(reading(source, ids, "copy"))
        except UnknownSnapshot:  # a prune removed one between the two
            if attempt == _ATTEMPTS:
                raise


def _copy_log(copying: _Copying, made: Mirrored) -> None:
    """Continue the log of the copy. Entries that the copy got by itself, for example by a drill, are set aside."""
    source, target = copying.source, copying.target
    ours, theirs = dict(source.names("log")), dict(target.names("log"))
    common = sorted(set(ours) & set(theirs))
    if set(theirs) - set(ours) or (common and source.read(common[-1], _SMALL) != target.read(common[-1], _SMALL)):
        _set_aside(target, "log")
        for name in theirs:
            target.remove(name)
        theirs = {}
        made.notes.append(
            "The copy's log has entries that the source's lacks: a run used the copy, or the source's log was shortened "
            f"(`edms-backup log`). They are kept in {_REPLACED}/ there."
        )
    # Listed after the log: a snapshot is there before the entry on it is.
    uncopied = _ids(source) - _ids(target)
    for name, size in sorted(ours.items()):
        if name in theirs:
            continue
        if uncopied and (snapshot := _snapshot_of(source, name)) in uncopied:
            made.notes.append(
                f"The copy's log ends before entry {int(PurePosixPath(name).stem):,}, which is on snapshot {snapshot[:12]}: the copy does "
                "not have that yet. The next copy continues it."
            )
            return
        before = len(made.problems)
        copying.file((name, size))
        if len(made.problems) > before:
            return  # a gap would be taken for a removed entry


def _ids(backend: Backend) -> set[str]:
    return {PurePosixPath(name).stem for name, _ in backend.names("snapshots")}


def _snapshot_of(source: Backend, name: str) -> str:
    """The snapshot that an entry of the log is on; "" if there is none, or the entry cannot be read."""
    try:
        entry = parsed_json(source.read(name, _SMALL))
    except (FileNotFoundError, ValueError):
        return ""
    snapshot = entry.get("snapshot") if isinstance(entry, dict) else None
    return snapshot if isinstance(snapshot, str) else ""


def _hashed(blocks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block
