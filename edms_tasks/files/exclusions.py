"""What a backup leaves out of a folder: the settings' patterns, files of running programs, indexes that can be rebuilt.

Each of these is reported as a finding.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edms_tasks.settings import Settings

_Matcher = Callable[[str], object]
_LARGEST = 64  # bytes: such a file contains a number, a host's name, or nothing


@dataclass(frozen=True)
class LeaveOut:
    """The patterns of files and folders that a backup leaves out."""

    exclude: Sequence[str] = ()  # [exclude] files
    running: Sequence[str] = ()  # [exclude] running: lock files and files of process ids
    indexes: Sequence[str] = ()  # [exclude] indexes: names of an index's files, the first of which must be there
    _exclude: _Matcher | None = field(init=False, repr=False, compare=False, default=None)
    _running: _Matcher | None = field(init=False, repr=False, compare=False, default=None)
    # Of each index: what matches the file that must be there, and what matches all its files.
    _indexes: Sequence[tuple[_Matcher, _Matcher]] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        for name in ("exclude", "running"):
            object.__setattr__(self, f"_{name}", _matcher(getattr(self, name)))
        kinds = [patterns for index in self.indexes if (patterns := index.split())]
        object.__setattr__(self, "_indexes", [(_compiled(kind[:1]), _compiled(kind)) for kind in kinds])

    @classmethod
    def of(cls, settings: Settings) -> LeaveOut:
        """The patterns in the settings."""
        excluded = settings.exclude
        return cls(excluded.files, excluded.running, excluded.indexes)

    def excludes(self, path: bytes) -> bool:
        """Whether a path is left out by [exclude] files, with everything below it."""
        return _matches(self._exclude, path)

    def is_of_a_running_program(self, path: bytes, size: int) -> bool:
        """Whether a file is a lock or contains a process's id: by its name and its small size."""
        return size <= _LARGEST and _matches(self._running, path)

    def is_index(self, names: Sequence[bytes]) -> bool:
        """Whether a folder of entries with these names is a search index and nothing else.

        All names must be those of one kind of index. Otherwise an uploaded file with such a name would exclude a folder of
        documents from backups.
        """
        texts = [os.fsdecode(name) for name in names]
        return any(any(map(mark, texts)) and all(map(known, texts)) for mark, known in self._indexes)


def _matcher(patterns: Sequence[str]) -> _Matcher | None:
    return _compiled(patterns) if patterns else None


def _compiled(patterns: Sequence[str]) -> _Matcher:
    return re.compile("|".join(fnmatch.translate(pattern.rstrip("/")) for pattern in patterns)).match


def _matches(matcher: _Matcher | None, path: bytes) -> bool:
    """A pattern is matched against the whole path and against the last name."""
    if matcher is None:
        return False
    text = os.fsdecode(path)
    return bool(matcher(text) or matcher(text.rsplit("/", 1)[-1]))


NOTHING = LeaveOut()
"""Nothing is left out."""
