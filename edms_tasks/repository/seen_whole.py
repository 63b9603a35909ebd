"""When each object of a repository was last read whole, by runs that have this working folder: `seen/<repository>.sqlite3` in it.

A sample reads what was not read for the longest time first, so that all objects are read in turn. If the file is lost, all objects
count as not read yet.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from edms_tasks.durable import private_folder
from edms_tasks.errors import TerminalError

_FOLDER = "seen"
_SECONDS_TO_WAIT = 30.0
_OBJECT = re.compile(r"objects/[0-9a-f]{2}/[0-9a-f]{64}")


@dataclass(frozen=True)
class Ages:
    """How long ago objects were read. `oldest` is of those that were read at all."""

    objects: int = 0
    never: int = 0
    oldest: datetime | None = None
    problem: str = ""  # why it is not known

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "objects": self.objects,
            "never_read": self.never,
            **({"problem": self.problem} if self.problem else {}),
            "oldest_read": self.oldest.isoformat() if self.oldest is not None else None,
        }


class SeenWhole:
    """The times. Objects are known by their names in the repository.

    Args:
        workdir: the working folder.
        repository: the repository's id and place: what was read of a copy was not read of the original.
    """

    def __init__(self, workdir: Path, repository: str) -> None:
        self._path = workdir / _FOLDER / f"{hashlib.sha256(repository.encode()).hexdigest()[:32]}.sqlite3"

    def note(self, whole: Iterable[str], damaged: Iterable[str] = (), at: datetime | None = None) -> None:
        """Note that these objects were read: they were whole, or they were not."""
        seconds = int((at or datetime.now(UTC)).timestamp())
        rows = [(_key(name), seconds, 1) for name in whole] + [(_key(name), seconds, 0) for name in damaged]
        with self._database() as database:
            database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)

    def forget_all_but(self, there: Collection[str]) -> None:
        """Forget objects that are not in the repository any more."""
        with self._database() as database:
            keys = {_key(name) for name in there if _OBJECT.fullmatch(name)}
            gone = [(key,) for (key,) in database.execute("SELECT object FROM seen") if key not in keys]
            database.executemany("DELETE FROM seen WHERE object = ?", gone)

    def damaged(self) -> frozenset[str]:
        """The names of objects that were not whole when they were last read. Raises TerminalError."""
        with self._explaining():
            return frozenset(_name(key) for key, (_, whole) in self._rows().items() if not whole)

    def longest_unread(self, names: Collection[str]) -> list[str]:
        """The names, those that were never read first, then those that were not read for the longest time. Raises TerminalError."""
        with self._explaining():
            seen = self._rows()
        return sorted(names, key=lambda name: (seen.get(_key(name), (-1, 1))[0], name))

    def ages(self, names: Collection[str]) -> Ages:
        """How long ago these objects were read; `problem` says if that cannot be known."""
        try:
            seen = self._rows()
        except (sqlite3.Error, OSError) as error:
            return Ages(len(names), problem=f"{self._path}: {error}")
        times = [seen[_key(name)][0] for name in names if _key(name) in seen]
        oldest = datetime.fromtimestamp(min(times), UTC) if times else None
        return Ages(len(names), len(names) - len(times), oldest)

    def _rows(self) -> Mapping[bytes, tuple[int, int]]:
        """Object -> when it was read, and whether it was whole. The file is only read."""
        if not self._path.exists():
            return {}
        place = f"file:{quote(str(self._path))}?mode=ro"
        try:
            with closing(sqlite3.connect(place, uri=True, timeout=_SECONDS_TO_WAIT)) as database:
                return {key: (at, whole) for key, at, whole in database.execute("SELECT object, at, whole FROM seen")}
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return {}  # damaged: all count as not read, and the next note begins anew

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._explaining():
            private_folder(self._path.parent)
            try:
                self._prepare()
            except sqlite3.OperationalError:  # locked, or a full disk: the file is not to blame
                raise
            except sqlite3.DatabaseError:
                self._path.unlink(missing_ok=True)
                self._prepare()
            with closing(sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)) as database, database:
                yield database

    def _prepare(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS seen (object BLOB PRIMARY KEY, at INTEGER NOT NULL, whole INTEGER NOT NULL) WITHOUT ROWID"
            )
            database.execute("SELECT count(*) FROM seen").fetchone()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise TerminalError(
                "The record of which objects were read cannot be used.",
                where=str(self._path),
                why=str(error),
                fix="Check the disk and who may write there. If the file is removed, all objects count as not read yet.",
            ) from error


def _key(name: str) -> bytes:
    return bytes.fromhex(PurePosixPath(name).name)


def _name(key: bytes) -> str:
    return f"objects/{key.hex()[:2]}/{key.hex()}"
