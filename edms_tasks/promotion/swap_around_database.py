"""Swap a folder of files that contains the database: entry by entry, so that the database stays in its place.

The live entries move to a folder beside it, which gets its final name when it has all of them. So if a folder with that name
exists, the entries in the live folder are incoming ones. Then the incoming entries move in. A folder above the database stays, and
its entries are swapped in the same way. Each move is one rename, so an interrupted swap continues where it stopped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from edms_tasks.databases.database_files import belongs, leads_to, names_in
from edms_tasks.durable import flush_folder
from edms_tasks.errors import TerminalError
from edms_tasks.mount_points import mounted
from edms_tasks.promotion.journal import FolderSwap

_TAKING = ".taking"


def around_the_database(swap: FolderSwap, databases: Sequence[Path]) -> FolderSwap:
    """The plan, completed for a live folder with files of databases; unchanged if it has none.

    Raises:
        TerminalError: an entry cannot be moved, or an incoming one would take the place of a database's file.
    """
    live, incoming = Path(swap.live), Path(swap.incoming)
    names = names_in(live, databases) if swap.replaces else ()
    if not names:
        return swap
    _require_no_collision(incoming, names)
    return swap.model_copy(
        update={
            "around": tuple(map(os.fsdecode, names)),
            "modes_live": tuple(_modes(live, names)),
            "modes_incoming": tuple(_modes(incoming, names)),
            "last": _last(incoming, names),
        }
    )


def require_movable(live: Path, databases: Sequence[Path]) -> None:
    """Check that the entries of a live folder that holds a database's file can be moved; raises TerminalError."""
    if names := names_in(live, databases):
        for _ in _modes(live, names):
            pass


def swap_entries(swap: FolderSwap) -> None:
    """Swap the entries that are not swapped yet; raises OSError if an entry cannot be moved."""
    live, incoming, previous = Path(swap.live), Path(swap.incoming), Path(swap.previous)
    names = tuple(map(os.fsencode, swap.around))
    if not previous.exists():
        taking = Path(swap.previous + _TAKING)
        _make_like(live, taking)
        _move(live, taking, names, swap.modes_live)
        taking.rename(previous)
        flush_folder(previous.parent)
    _set_modes(previous, swap.modes_live)
    if swap.brings:
        _move(incoming, live, names, swap.modes_incoming)
        _set_modes(live, swap.modes_incoming)
        for folder in ("", *_on_the_way(names)):
            if (incoming / folder).is_dir():
                _give_owner_and_mode(incoming / folder, live / folder)
        flush_folder(live)


def is_in_place(swap: FolderSwap) -> bool:
    """Whether the incoming entries are all in the live folder, though nobody recorded it here: a run with another work folder did."""
    if not Path(swap.previous).exists():
        return False
    return swap.last is None or _identity(Path(swap.live) / swap.last[0]) == swap.last[1]


def remove_emptied(swap: FolderSwap) -> None:
    """Remove the rest of the incoming folder: empty folders above the database's files."""
    incoming = Path(swap.incoming)
    for folder in (*reversed(_on_the_way(tuple(map(os.fsencode, swap.around)))), ""):
        with suppress(FileNotFoundError):  # removed before an interruption, or never there
            (incoming / folder).rmdir()
    flush_folder(incoming.parent)


def _on_the_way(names: Sequence[bytes]) -> tuple[str, ...]:
    """The folders above the names, the outer ones first."""
    found = {str(above) for name in names for above in Path(os.fsdecode(name)).parents if above != Path()}
    return tuple(sorted(found, key=lambda folder: (folder.count("/"), folder)))


def _entries(folder: Path, names: Sequence[bytes], below: str = "") -> Iterator[tuple[str, bool]]:
    """(path below the folder, whether it is a folder above a name) of each entry that is not one of the database's files."""
    with os.scandir(folder / below) as entries:
        found = sorted(f"{below}/{entry.name}".lstrip("/") if below else entry.name for entry in entries)
    for path in found:
        if belongs(os.fsencode(path), names):
            continue
        if leads_to(os.fsencode(path), names):
            yield path, True
            yield from _entries(folder, names, path)
        else:
            yield path, False


def _last(incoming: Path, names: Sequence[bytes]) -> tuple[str, str] | None:
    moved = [path for path, leads in _entries(incoming, names) if not leads] if incoming.is_dir() else []
    return (moved[-1], _identity(incoming / moved[-1])) if moved else None


def _identity(path: Path) -> str:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ""
    return f"{status.st_dev}:{status.st_ino}"


def _move(source: Path, target: Path, names: Sequence[bytes], modes: Sequence[tuple[str, int]]) -> None:
    closed = dict(modes)
    for path, leads in _entries(source, names):
        if leads:
            _make_like(source / path, target / path)
            continue
        if os.path.lexists(target / path):
            raise FileExistsError(17, "There is another file of this name", str(target / path))
        if path in closed:
            (source / path).chmod(closed[path] | stat.S_IWUSR)
        (source / path).rename(target / path)
    for folder in ("", *_on_the_way(names)):
        for side in (source, target):
            if (side / folder).is_dir():
                flush_folder(side / folder)


def _make_like(folder: Path, new: Path) -> None:
    if not new.is_dir():
        new.mkdir(mode=0o700)
    _give_owner_and_mode(folder, new)


def _give_owner_and_mode(folder: Path, to: Path) -> None:
    status = folder.stat()
    if os.geteuid() == 0:
        os.chown(to, status.st_uid, status.st_gid)
    to.chmod(stat.S_IMODE(status.st_mode) | stat.S_IWUSR | stat.S_IXUSR)  # entries and locks are made in it


def _set_modes(folder: Path, modes: Sequence[tuple[str, int]]) -> None:
    for path, mode in modes:
        if (folder / path).is_dir():
            (folder / path).chmod(mode)


def _modes(folder: Path, names: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    """Folders that we must open to move them, and their modes: a folder in another one is a change of its own entry `..`.

    Raises:
        TerminalError: an entry cannot be moved.
    """
    if not folder.is_dir():
        return
    disk, points = folder.stat().st_dev, mounted()
    for path in ("", *_on_the_way(names)):
        at = folder / path
        if at.is_dir() and not os.access(at, os.W_OK | os.X_OK):
            raise _immovable(at, "No permission to write there.")
    for path, _ in _entries(folder, names):
        status = (folder / path).lstat()
        if status.st_dev != disk or os.path.realpath(folder / path) in points:
            raise _immovable(folder / path, "It is a mount point.")
        if stat.S_ISDIR(status.st_mode) and not os.access(folder / path, os.W_OK):
            if status.st_uid != os.geteuid():
                raise _immovable(folder / path, "It belongs to another user, and we may not write to it.")
            yield path, stat.S_IMODE(status.st_mode)


def _require_no_collision(incoming: Path, names: Sequence[bytes]) -> None:
    for folder in ("", *_on_the_way(names)):
        at = incoming / folder
        if not os.path.lexists(at):
            continue
        if at.is_symlink() or not at.is_dir():
            raise _collides(at)
        for entry in at.iterdir():
            if belongs(os.fsencode(entry.relative_to(incoming)), names):
                raise _collides(entry)


def _collides(path: Path) -> TerminalError:
    return TerminalError(
        "A file of the snapshot has the place of the live database or of a file that belongs to it.",
        where=str(path),
        why="The folder is swapped around the live database, which must stay where it is. Nothing was changed.",
        fix="Restore with --into and --into-files, and copy the files; or keep the database elsewhere.",
    )


def _immovable(path: Path, why: str) -> TerminalError:
    return TerminalError(
        "A folder of files holds the live database, so its entries are swapped one by one; one of them cannot be moved.",
        where=str(path),
        why=why,
        fix="Fix the permissions or unmount it; or restore with --into and --into-files, and copy the files.",
    )
