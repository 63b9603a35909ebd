"""Which folder of an old backup is which root of the EDMS's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.old_backup import FileFolder

_NAMED = 5


@dataclass(frozen=True)
class MappedFolders:
    """The folder of each root that the old backup has, and what has no root."""

    folders: Mapping[str, Path]
    findings: tuple[Finding, ...]


def map_folders(folders: Sequence[FileFolder], roots: Mapping[str, Path], chosen: Mapping[str, str]) -> MappedFolders:
    """Find each root's folder: as chosen; by the end of its path; by its name; or because there is one of each.

    Args:
        folders: the unpacked folders of the old backup.
        roots: name of a root of the EDMS -> its path.
        chosen: path in the old backup, such as "storage/media" -> name of the root, by the administrator.
    """
    there = {folder.name: folder.path for folder in folders if folder.path is not None}
    found: dict[str, Path] = {}
    why: dict[str, str] = {}
    for name, path in roots.items():
        for place, reason in _candidates(name, path, there, chosen):
            if place.is_dir() and place not in found.values():
                found[name], why[name] = place, reason
                break
    if not found and len(there) == 1 and len(roots) == 1:
        ((name, _),) = roots.items()
        found[name], why[name] = next(iter(there.values())), "it is the only folder, and there is one root"
    findings = [
        make_finding(
            "old-folder-mapped", name, f"The files of {name} are those of {_shown(found[name], there)}: {why[name]}."
        )
        for name in found
    ]
    findings += _left(there, found)
    findings += [
        make_finding("old-root-absent", name, f"The old backup has no folder for the EDMS's files {name!r}.")
        for name in roots
        if name not in found
    ]
    return MappedFolders(found, tuple(findings))


def _candidates(
    name: str, path: Path, there: Mapping[str, Path], chosen: Mapping[str, str]
) -> Iterable[tuple[Path, str]]:
    for place, root in chosen.items():
        outer, _, inner = place.strip("/").partition("/")
        if root == name and outer in there:
            yield there[outer] / inner, "as chosen"
    # The end of the path, the longest first: /app/storage/media is storage/media of the archive, or media of its folder storage.
    parts = PurePosixPath(path).parts[1:]
    for begin in range(len(parts)):
        top, *below = parts[begin:]
        if top in there:
            yield there[top].joinpath(*below), "their paths end alike"
        for folder in there.values():
            yield folder.joinpath(top, *below), "their paths end alike"
    if name in there:
        yield there[name], "they have the same name"
    for folder in there.values():
        yield folder / name, "they have the same name"


def _left(there: Mapping[str, Path], found: Mapping[str, Path]) -> list[Finding]:
    """Files of the old backup that are in no root."""
    taken = [*found.values()]
    left: list[str] = []
    count = 0
    for name, folder in there.items():
        for path in folder.rglob("*"):
            if path.is_file() and not any(path.is_relative_to(one) for one in taken):
                count += 1
                if len(left) < _NAMED:
                    left.append(f"{name}/{path.relative_to(folder).as_posix()}")
    if not count:
        return []
    return [
        make_finding(
            "old-files-without-root",
            "files",
            f"{count:,} files of the old backup are in no folder that is a root of the EDMS's files.",
            count=count,
            examples=tuple(left),
        )
    ]


def _shown(path: Path, there: Mapping[str, Path]) -> str:
    for name, folder in there.items():
        if path.is_relative_to(folder):
            return PurePosixPath(name, path.relative_to(folder).as_posix()).as_posix()
    return path.name
