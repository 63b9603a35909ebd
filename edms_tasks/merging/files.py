"""Merge the snapshot's files into folders in use: which are new, which differ, and where they go.

A file is brought under the name that its row has in the target: names that hold ids follow them. Contents come out of the
repository into a folder of their own inside the root, verified, and are moved into place only when everything is validated.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.errors import MergeRefused
from edms_tasks.files.deep_paths import open_path
from edms_tasks.files.fetch import folders_of, open_index
from edms_tasks.files.index import SCHEMA, OpenedIndex, readable
from edms_tasks.files.walk import MERGE_STAGING
from edms_tasks.files.write_back import restore_opened
from edms_tasks.inventory.id_patterns import name_expression
from edms_tasks.inventory.model import FileNameReference
from edms_tasks.manifest import FileIndex
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.id_map import IdMap
from edms_tasks.merging.planning import FilePlan, Policy
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.disk_space import require_space

STAGING = os.fsdecode(MERGE_STAGING)
_EXAMPLES = 3
_BLOCK = 1 << 20


@dataclass
class RootMerge:
    """The merge of one folder: its plan and its progress."""

    index: FileIndex
    live: Path
    plan: FilePlan
    writes: dict[bytes, tuple[bytes, bool]]  # name in the snapshot -> name in the target, whether it replaces a file
    _added: list[Path] = field(default_factory=list)
    _replaced: list[tuple[Path, Path]] = field(default_factory=list)

    def stage(self, repository: Repository, scratch: Path) -> None:
        """Fetch the contents into the staging folder, each verified against the index."""
        if not self.writes:
            return
        self.remove_staged()
        self.live.mkdir(parents=True, exist_ok=True)
        require_space(self.live, self.plan.bytes, f"the files of {self.index.root.name}")
        with open_index(self.index, repository, scratch) as opened:
            chosen = opened.folder / "chosen.parquet"
            _choose(opened, self.writes, chosen)
            restore_opened(
                OpenedIndex(self.index, (chosen,), opened.folder, opened.engine), repository, self.live / STAGING
            )

    def move_in(self, aside: Path) -> None:
        """Move the staged files to their names; those that they replace go to `aside`."""
        for name, (final, replaces) in sorted(self.writes.items()):
            staged, target = _place(self.live / STAGING, name), _place(self.live, final)
            _require_plain_folders(self.live, final)
            _make_folders(self.live, self.live / STAGING, final)
            if replaces:
                kept = _place(aside / self.index.root.name, final)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(target, kept)
                self._replaced.append((kept, target))
            try:
                os.link(staged, target)  # never over a file that came meanwhile
            except FileExistsError as error:
                raise MergeRefused(
                    "Another file appeared in the place of one of the snapshot's.",
                    where=str(target),
                    fix="Nothing was changed. Run the merge again.",
                ) from error
            self._added.append(target)

    def take_back(self) -> None:
        """Undo `move_in`."""
        for target in reversed(self._added):
            target.unlink(missing_ok=True)
        for kept, target in reversed(self._replaced):
            shutil.move(kept, target)
        self._added, self._replaced = [], []

    def remove_staged(self) -> None:
        """Remove the folder with the staged contents, of this or a killed run."""
        staged = self.live / STAGING
        if staged.exists():
            shutil.rmtree(staged)


def plan_files(
    index: FileIndex,
    repository: Repository,
    live: Path,
    *,
    names: Sequence[FileNameReference],
    id_maps: Mapping[str, IdMap],
    spoken_for: Collection[str],
    policy: Policy,
    scratch: Path,
    only: Callable[[str, Mapping[str, str]], bool] | None = None,
) -> tuple[RootMerge, list[Conflict]]:
    """Compare a folder of the snapshot with the live one.

    Args:
        index: the snapshot's index.
        repository: where it is.
        live: the folder of the EDMS.
        names: declared names with ids in this folder.
        id_maps: the ids, by table id.
        spoken_for: names that rows of the target have that stay as they are.
        policy: what happens to files that differ.
        scratch: folder for temporary files.
        only: whether a file is to be brought, by its name and the ids that it holds (table id -> id); None for all.
    """
    counts = dict.fromkeys(("add", "replace", "keep", "same", "renamed", "bytes"), 0)
    additions: list[str] = []
    replacements: list[str] = []
    disputed: list[str] = []
    writes: dict[bytes, tuple[bytes, bool]] = {}
    with open_index(index, repository, scratch) as opened:
        for name, final, size, sha256, ids in _named(opened, names, id_maps):
            if only is not None and not only(os.fsdecode(name), ids):
                continue
            found = _compare(live, final, size, sha256)
            counts["renamed"] += final != name
            if found == "same":
                counts["same"] += 1
            elif found == "missing":
                counts["add"] += 1
                counts["bytes"] += size
                writes[name] = (final, False)
                additions.append(readable(final))
            elif os.fsdecode(final) in spoken_for or policy == "fail" or found == "no file":
                disputed.append(readable(final))
            elif policy == "keep":
                counts["keep"] += 1
            else:
                counts["replace"] += 1
                counts["bytes"] += size
                writes[name] = (final, True)
                replacements.append(readable(final))
    conflicts = []
    if disputed:
        conflicts.append(
            make_conflict(
                "file",
                f"files of {index.root.name}",
                "Files of the snapshot have the names of other files of the target"
                + (", which rows that stay in the target name." if policy == "overwrite" else "."),
                count=len(disputed),
                examples=tuple(sorted(disputed)[:_EXAMPLES]),
                fix="Rename the target's files in the EDMS, or choose --on-conflict "
                + ("for the models that name them." if policy == "overwrite" else "overwrite or keep."),
            )
        )
    plan = FilePlan(
        root=index.root.name,
        **counts,
        additions=tuple(sorted(additions)[:_EXAMPLES]),
        replacements=tuple(sorted(replacements)[:_EXAMPLES]),
    )
    return RootMerge(index, live, plan, writes), conflicts


def _named(
    opened: OpenedIndex, names: Sequence[FileNameReference], id_maps: Mapping[str, IdMap]
) -> Iterator[tuple[bytes, bytes, int, str, dict[str, str]]]:
    """Every file: its name, the name it has in the target, its size, its SHA-256, and the ids in its name by table id."""
    cases, joins, held, targets = [], [], [], []
    for number, reference in enumerate(names):
        id_map = id_maps.get(reference.target)
        if id_map is None or id_map.table.primary_key != (reference.target_column,):
            continue
        pattern = name_expression(reference.pattern, reference.id_kind)
        parts = f"regexp_extract(f.text, {literal(pattern.expression)}, ['before', 'id', 'after'], 's')"
        written = f"{parts}.id"
        plain = f"coalesce(nullif(ltrim({written}, '0'), ''), '0')" if pattern.padded else written
        held.append(f"CASE WHEN {written} <> '' THEN {plain} END")
        targets.append(reference.target)
        joins.append(
            f"LEFT JOIN {id_map.changed} n{number} ON {written} <> '' "
            f"AND {bare_uuid(text_of(f'n{number}.source', id_map.kind))} = {bare_uuid(plain)}"
        )
        final = f"CAST(n{number}.final AS VARCHAR)"
        if pattern.padded:
            width = f"CAST(strlen({written}) AS INTEGER)"
            final = f"CASE WHEN strlen({final}) >= {width} THEN {final} ELSE lpad({final}, {width}, '0') END"
        cases.append(f"WHEN n{number}.final IS NOT NULL THEN encode({parts}.before || {final} || {parts}.after)")
    renamed = f"CASE {' '.join(cases)} ELSE f.path END" if cases else "f.path"
    query = (
        f"SELECT f.path, {renamed}, f.size, f.sha256, [{', '.join(held)}] "
        f"FROM (SELECT *, try(decode(path)) AS text FROM read_parquet($paths) WHERE kind = 'file') f {' '.join(joins)}"
    )
    with opened.workspace() as connection:
        found = connection.execute(query, {"paths": [str(path) for path in opened.paths]})
        while rows := found.fetchmany(4096):
            for name, final, size, sha256, found_ids in rows:
                ids = {table: str(one) for table, one in zip(targets, found_ids, strict=True) if one is not None}
                yield bytes(name), bytes(final), int(size), str(sha256), ids


def _compare(live: Path, name: bytes, size: int, sha256: str) -> str:
    """`missing`, `same`, `differs`, or `no file` where something else has the name."""
    path = _place(live, name)
    try:
        descriptor = open_path(os.fsencode(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return "missing"
    except NotADirectoryError:
        return "no file"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "no file"
        raise MergeRefused(
            "A file of the EDMS cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Fix its permissions, or run as the user that the EDMS runs as.",
        ) from error
    with os.fdopen(descriptor, "rb") as stream:
        held = os.fstat(stream.fileno())
        if not stat.S_ISREG(held.st_mode):
            return "no file"
        if held.st_size != size:
            return "differs"
        digest = hashlib.sha256()
        while block := stream.read(_BLOCK):
            digest.update(block)
    return "same" if digest.hexdigest() == sha256 else "differs"


def _make_folders(live: Path, staged: Path, name: bytes) -> None:
    """Create the folders of a file, with their permissions and owner in the snapshot, or else those of the parent folder."""
    for folder in folders_of(name, is_folder=False):
        path = _place(live, folder)
        if path.exists():
            continue
        path.mkdir()
        like = _place(staged, folder)
        held = (like if like.is_dir() else path.parent).stat()
        if os.geteuid() == 0:
            os.chown(path, held.st_uid, held.st_gid)
        path.chmod(stat.S_IMODE(held.st_mode))


def _place(root: Path, name: bytes) -> Path:
    """A name of the index, which stays inside the root (`fetch.open_index`), below a folder."""
    return root / os.fsdecode(name)


def _choose(opened: OpenedIndex, writes: Mapping[bytes, object], path: Path) -> None:
    """Write the needed rows of an index: the files, and the folders that contain them."""
    folders = {folder for name in writes for folder in folders_of(name, is_folder=False)} | {b""}
    wanted = pa.array([*writes, *folders], pa.binary())
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for batch in opened.batches():
            writer.write_batch(batch.filter(pc.is_in(batch["path"], wanted)))


def _require_plain_folders(live: Path, name: bytes) -> None:
    """Refuse symbolic links among the folders, because they could lead out of the root."""
    for folder in folders_of(name, is_folder=False):
        path = _place(live, folder)
        if path.is_symlink():
            raise MergeRefused(
                "A folder that the merge would write files into is a link.",
                where=str(path),
                fix="Nothing was changed. Make it a folder, or copy the files by hand.",
            )
