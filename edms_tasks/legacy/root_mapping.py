"""Which folder of an old backup is which root of the EDMS's files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from edms_tasks.errors import CommandError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.old_backup import FileFolder

_NAMED = 5
_SEARCHED = 1_000  # folders among which one is sought that is spelled alike


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

    Raises:
        CommandError: a choice names no folder of the old backup or no root, or two choices are for one root.
    """
    there = {folder.name: folder.path for folder in folders if folder.path is not None}
    found = _as_chosen(there, roots, chosen)
    why = dict.fromkeys(found, "as chosen")
    for name, path in roots.items():
        if name in found:
            continue
        for place, reason in _candidates(name, path, there):
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


def _as_chosen(there: Mapping[str, Path], roots: Mapping[str, Path], chosen: Mapping[str, str]) -> dict[str, Path]:
    """The folder of each root that the administrator has chosen; a choice is followed or refused."""
    found: dict[str, Path] = {}
    for place, root in chosen.items():
        where = f"--folder {place}={root}"
        if root not in roots:
            raise CommandError(
                f"The EDMS has no root of files {root!r}.", where=where, fix=_instead(root, list(roots), "Its roots")
            )
        if root in found:
            raise CommandError(
                f"A second folder is chosen for {root}.", where=where, fix="Choose one folder for each root of files."
            )
        outer, *inner = PurePosixPath(place.strip("/")).parts or ("",)
        path = there[outer].joinpath(*inner) if outer in there else None
        if path is None or ".." in inner or not path.is_dir():
            fix = _instead(place, _folders_in(there), "Its folders")
            raise CommandError(f"The old backup has no folder {place!r}.", where=where, fix=fix)
        found[root] = path
    return found


def _folders_in(there: Mapping[str, Path]) -> list[str]:
    """The first folders of the old backup and those in them, as an administrator names them."""
    found = []
    for name, folder in islice(sorted(there.items()), _SEARCHED):
        found.append(name)
        inner = (path for path in sorted(folder.rglob("*")) if path.is_dir())
        found += [f"{name}/{path.relative_to(folder).as_posix()}" for path in islice(inner, _SEARCHED)]
    return found


def _instead(name: str, known: Sequence[str], title: str) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"{title}: {', '.join(known[:_NAMED])}{', …' if len(known) > _NAMED else ''}." if known else "It has none."


def _candidates(name: str, path: Path, there: Mapping[str, Path]) -> Iterable[tuple[Path, str]]:
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
