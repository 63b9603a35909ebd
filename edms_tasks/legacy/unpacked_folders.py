"""The folders of files of an old backup, unpacked while its members come by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edms_tasks.legacy.archive_members import ArchiveMember
from edms_tasks.legacy.old_backup import FileFolder, Scratch


@dataclass
class _Folder:
    path: Path
    files: int = 0
    bytes: int = 0


class UnpackedFolders:
    """Puts files into folders; with `look_only` it counts them."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._folders: dict[str, _Folder] = {}

    @property
    def files(self) -> int:
        """The number of files so far."""
        return sum(one.files for one in self._folders.values())

    def begin(self, name: str) -> None:
        """Have a folder of this name, although no file may come into it."""
        folder = self._folder(name)
        if not self._scratch.look_only:
            folder.path.mkdir(parents=True, exist_ok=True)

    def keep(self, member: ArchiveMember, folder: str, name: str) -> bool:
        """Put a member into a folder under a name, and count it; False if it could not be put there, which its archive's trouble says."""
        into = self._folder(folder)
        if self._scratch.look_only:
            member.skip()
        elif member.unpack(into.path, name) is None:
            return False
        into.files += 1
        into.bytes += member.size
        return True

    def finish(self) -> tuple[FileFolder, ...]:
        """The folders, by name."""
        look_only = self._scratch.look_only
        return tuple(
            FileFolder(name, one.files, one.bytes, None if look_only else one.path)
            for name, one in sorted(self._folders.items())
        )

    def _folder(self, name: str) -> _Folder:
        # Names from a backup must not become paths.
        path = self._scratch.folder / "files" / f"{len(self._folders):03d}"
        return self._folders.setdefault(name, _Folder(path))
