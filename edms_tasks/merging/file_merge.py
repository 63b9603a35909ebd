"""Merge the snapshot's files into roots in use: which are new, which differ, and where they go.

A file gets the name that its row has in the target; an id in the name is replaced. Contents are fetched from the repository, staged
beside the live files and verified. They are moved into place after the merged rows are validated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edms_tasks.files.index import OpenedIndex, readable
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.inventory.model import FileNameReference
from edms_tasks.manifest import FileIndex
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.declared_without_ids import Accepted
from edms_tasks.merging.file_owners import Owners
from edms_tasks.merging.file_renaming import other_names
from edms_tasks.merging.files_named_after_files import named_after_files
from edms_tasks.merging.final_file_names import NamedFile, final_names
from edms_tasks.merging.id_map import IdMap
from edms_tasks.merging.live_files import Compare, LiveFiles, Writes
from edms_tasks.merging.planning import FilePlan, Policy
from edms_tasks.repository import Repository

_EXAMPLES = 3
_LONGEST = 900  # bytes of a name; stores allow 1,024 with all prefixes


@dataclass
class RootMerge:
    """The merge of one root: where its files go, and which."""

    index: FileIndex
    live: LiveFiles
    plan: FilePlan
    writes: Writes
    undeclared: Sequence[str] = ()  # names of files to add that belong to no row and are not as a declaration says
    renames: Mapping[str, str] = field(default_factory=dict)  # new names for files whose names are taken

    def stage(self, repository: Repository, scratch: Path, progress: Progress | None = None) -> None:
        """Fetch the contents beside the live files, and verify each against the index; see `LiveFiles.stage`."""
        if self.writes:
            with open_index(self.index, repository, scratch) as opened:
                self.live.stage(opened, self.writes, self.plan.bytes, repository, progress)

    def move_in(self, aside: Path) -> None:
        """Move the staged files to their names; those that they replace are kept in `aside`. See `LiveFiles.move_in`."""
        if self.writes:
            self.live.move_in(self.index.root.name, self.writes, aside)


@dataclass(frozen=True)
class RootToPlan:
    """What the plan for a root of files depends on: both sides, the ids of rows, the names in columns, and the user's choices."""

    repository: Repository
    live: LiveFiles  # the EDMS's
    names: Sequence[FileNameReference]  # declared names with ids in this folder
    id_maps: Mapping[str, IdMap]  # by table id
    owners: Owners
    policy: Policy  # what happens to files that differ and belong to no row
    policies: Mapping[str, Policy]  # the same for files that belong to rows, by table id
    only: (
        Callable[[str, Mapping[str, str]], bool] | None
    )  # whether a file is selected, by its name and the ids in it; None: all are
    accepted: Accepted
    renames: Mapping[str, str]  # name -> new name, for files whose name a row of the target has
    may_rename: bool
    mentioned: Callable[[Sequence[str]], set[str]]  # those of the names that other rows of the target mention
    longest: int | None  # the longest name that the columns can store, in characters


@dataclass
class _Sorted:
    """The files of a folder, sorted by what the merge does with them."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("add", "replace", "keep", "same", "renamed", "bytes"), 0)
    )
    writes: dict[bytes, tuple[bytes, bool]] = field(default_factory=dict)
    to_replace: list[tuple[bytes, bytes, int]] = field(default_factory=list)  # name, name in the target, size
    additions: list[str] = field(default_factory=list)
    replacements: list[str] = field(default_factory=list)
    disputed: list[tuple[bytes, bytes]] = field(default_factory=list)  # name, and name in the target
    missing: list[str] = field(default_factory=list)  # not in the snapshot, and the target has others of the name
    unclaimed: list[str] = field(default_factory=list)  # belong to no row, and another file has the name
    ownerless: list[str] = field(default_factory=list)  # belong to no row, and are not in the target
    undeclared: list[str] = field(default_factory=list)  # those of them whose names are not as a declaration says

    def add(self, name: bytes, final: bytes, size: int) -> None:
        """Plan to add a file that the target does not have."""
        self.counts["add"] += 1
        self.counts["bytes"] += size
        self.writes[name] = (final, False)
        self.additions.append(readable(final))

    def replace(self, name: bytes, final: bytes, size: int) -> None:
        """Plan to replace a file of the target."""
        self.counts["replace"] += 1
        self.counts["bytes"] += size
        self.writes[name] = (final, True)
        self.replacements.append(readable(final))


def plan_files(
    index: FileIndex, how: RootToPlan, scratch: Path, progress: Progress | None = None
) -> tuple[RootMerge, list[Conflict]]:
    """Compare a root of the snapshot with the live one; returns its plan and the conflicts.

    A file belongs to a row if a column of a row in the snapshot names it, or if its name contains, as declared, the id of a row.
    Only a file that belongs to a row may replace a file of the target.

    Raises:
        DamagedRepository: the index of the folder is missing or altered.
    """
    found, meter, held = _Sorted(), Meter(progress), set(how.owners.arriving)
    with open_index(index, how.repository, scratch) as opened, how.live.looked_at(opened) as compare:
        for file in final_names(opened, how.names, how.id_maps):
            meter.count(1, file.size)
            text = os.fsdecode(file.name)
            if how.only is not None and not how.only(text, file.ids):
                continue
            held.discard(how.renames.get(text, text))
            _sort(found, index.root.name, how, compare, file)
        meter.tell()
        # A row must not come to show the file of another.
        found.missing = [
            name
            for name in sorted(held)
            if _can_be_a_file(name) and not how.accepted.file(index.root.name, name) and not _is_free(compare, name)
        ]
        _replace(found, how)
        renames = _other_names(found, opened, how, compare) if how.may_rename else {}
    disputed = [final for name, final in found.disputed if os.fsdecode(name) not in renames]
    missing = [name for name in found.missing if name not in renames]
    conflicts = _file_conflicts(index.root.name, how, disputed, found.unclaimed, missing)
    conflicts += named_after_files(index.root.name, found.ownerless, how.renames, how.accepted)
    plan = FilePlan(
        root=index.root.name,
        **found.counts,
        additions=tuple(sorted(found.additions)[:_EXAMPLES]),
        replacements=tuple(sorted(found.replacements)[:_EXAMPLES]),
    )
    return RootMerge(index, how.live, plan, found.writes, tuple(found.undeclared), renames), conflicts


def _sort(found: _Sorted, root: str, how: RootToPlan, compare: Compare, file: NamedFile) -> None:
    """Decide on one file."""
    name, final, size, sha256 = file.name, file.final, file.size, file.sha256
    text = how.renames.get(os.fsdecode(name), os.fsdecode(name))
    if text != os.fsdecode(name):
        final = os.fsencode(text)
    policies = frozenset(how.policies[table_id] for table_id in file.ids)
    policies |= how.owners.of_snapshot.get(text, frozenset())
    belongs_to_a_row = bool(policies)
    # A file that belongs to rows of both policies is a conflict.
    policy = next(iter(policies or {how.policy})) if len(policies) < 2 else "fail"
    there = compare(final, size, sha256)
    found.counts["renamed"] += final != name
    if there == "same":
        found.counts["same"] += 1
        return
    if not belongs_to_a_row and there == "missing":
        found.ownerless.append(text)
        if not file.is_declared:
            found.undeclared.append(text)
    here = os.fsdecode(final)
    if there == "missing" and here not in how.owners.of_target:
        found.add(name, final, size)
        return
    new_here = policy == "keep" and text in how.owners.of_new_rows
    if here in how.owners.of_target or policy == "fail" or there == "no file" or new_here:
        found.disputed.append((name, final))
    elif not belongs_to_a_row and not how.accepted.file(root, here):
        found.unclaimed.append(readable(final))
    elif policy == "keep":
        found.counts["keep"] += 1
    elif how.accepted.file(root, here):
        found.replace(name, final, size)
    else:
        found.to_replace.append((name, final, size))


def _replace(found: _Sorted, how: RootToPlan) -> None:
    """Replace files of the target, but for those that its own rows mention."""
    names = [os.fsdecode(final) for _, final, _ in found.to_replace]
    readable_names = [name for name in names if name.isprintable()]
    taken = how.mentioned(readable_names) if readable_names else set()
    for (name, final, size), text in zip(found.to_replace, names, strict=True):
        if text in taken:
            found.disputed.append((name, final))
        else:
            found.replace(name, final, size)


def _other_names(found: _Sorted, opened: OpenedIndex, how: RootToPlan, compare: Compare) -> dict[str, str]:
    """Name -> new name, for disputed files that rows name: a free name, or one whose file has the same content."""
    tried = {
        os.fsdecode(name): list(other_names(os.fsdecode(name), how.longest))
        for name, final in found.disputed
        if name == final and os.fsdecode(name) in how.owners.of_snapshot
    } | {name: list(other_names(name, how.longest)) for name in found.missing}
    if not tried:
        return {}
    every = [os.fsencode(other) for others in tried.values() for other in others]
    read = "read_parquet($paths)"
    with opened.workspace() as connection:
        paths = {"paths": [str(path) for path in opened.paths]}
        taken = connection.execute(
            f"SELECT path FROM {read} WHERE path IN (SELECT unnest($every))", {**paths, "every": every}
        ).fetchall()
        contents = connection.execute(
            f"SELECT path, size, sha256 FROM {read} WHERE path IN (SELECT unnest($every))",
            {**paths, "every": [os.fsencode(name) for name in tried]},
        ).fetchall()
    used = {os.fsdecode(bytes(path)) for (path,) in taken}
    chosen: dict[str, str] = {}
    for path, size, sha256 in contents:
        name = os.fsdecode(bytes(path))
        for other in tried[name]:
            if other in used:
                continue
            if compare(os.fsencode(other), int(size), str(sha256)) in ("missing", "same"):
                chosen[name] = other
                used.add(other)
                break
    for name in found.missing:
        free = (one for one in tried[name] if one not in used | how.owners.of_target and _is_free(compare, one))
        if (found_free := next(free, None)) is not None:
            chosen[name] = found_free
            used.add(found_free)
    return chosen


def _can_be_a_file(name: str) -> bool:
    """Whether a value can name a file of a root, or an object of a store; columns also hold addresses and absolute paths."""
    parts = name.split("/")
    is_long = len(name.encode(errors="surrogateescape")) > _LONGEST or any(len(os.fsencode(one)) > 255 for one in parts)
    return not is_long and "\0" not in name and not {"", ".", ".."}.intersection(parts)


def _is_free(compare: Compare, name: str) -> bool:
    return compare(os.fsencode(name), -1, "") == "missing"


def _file_conflicts(
    root: str, how: RootToPlan, disputed: Sequence[bytes], unclaimed: Sequence[str], missing: Sequence[str]
) -> list[Conflict]:
    conflicts = []
    if missing:
        conflicts.append(
            make_conflict(
                "file-of-another-row",
                f"files of {root}",
                count=len(missing),
                examples=tuple(readable(os.fsencode(name)) for name in missing[:_EXAMPLES]),
                fix="Give them other names with --rename-files: the rows then name files that are missing, as in the snapshot. If files "
                f"of one name are the same file in both systems: --not-a-reference '{root}:PATTERN'.",
            )
        )
    if disputed:
        by_rows = how.policy != "fail"
        conflicts.append(
            make_conflict(
                "file",
                f"files of {root}",
                "Files of the snapshot have the same names as different files of the target"
                + (", which rows that stay in the target name." if by_rows else "."),
                count=len(disputed),
                examples=tuple(sorted(readable(final) for final in disputed)[:_EXAMPLES]),
                fix="Give them other names with --rename-files (the rows that name them are changed too); or rename the target's "
                "files in the EDMS"
                + (
                    f". If those rows only mention a name, as a log does: --not-a-reference '{root}:PATTERN'."
                    if by_rows
                    else ", or choose --on-conflict overwrite or keep."
                ),
            )
        )
    if unclaimed:
        conflicts.append(
            make_conflict(
                "file-unclaimed",
                f"files of {root}",
                count=len(unclaimed),
                examples=tuple(sorted(unclaimed)[:_EXAMPLES]),
                fix="If their names contain ids, declare them under [[soft_references]] (files, name, target). If files of one "
                f"name are the same file in both systems: --not-a-reference '{root}:PATTERN', such as "
                f"'{root}:{sorted(unclaimed)[0]}'.",
            )
        )
    return conflicts
