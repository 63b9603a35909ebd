"""The EDMS's files in stores of objects, as the settings name them: where they are, and what a restore keeps beside them.

Beside `s3://BUCKET/PREFIX` is what begins with that and a dot: a restore stages objects below `PREFIX.edms-staging-…/`, keeps previous
ones below `PREFIX.previous-…/`, and records an unfinished promotion in `PREFIX.edms-promotion`. The settings can name another place
for these (`[files] beside`), and must for a whole bucket.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from edms_tasks.errors import SettingsError, StoreNotWritten
from edms_tasks.inventory.file_stores import is_whole_bucket
from edms_tasks.settings import Settings

if TYPE_CHECKING:
    from edms_tasks.files.store_place import StorePlace  # botocore is an extra

_RECORD = ".edms-promotion"
_STAGED = ".edms-staging-"
MAY_WRITE = ".edms-backup-may-write"
"""The key of the object that tries whether a place may be written to: always the same, so that the next run removes what a kill left."""
_SET_ASIDE = re.compile(r"\.(previous|undone)-\d{8}T\d{6}(n\d+)?")


@dataclass(frozen=True)
class LiveStores:
    """The stores of the settings, by the names of the roots; a place in one is opened where it is needed."""

    addresses: Mapping[str, str] = field(default_factory=dict)
    _beside: Mapping[str, str] = field(default_factory=dict)
    _options: Mapping[str, Mapping[str, SecretStr]] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, settings: Settings) -> LiveStores:
        """Those that the settings name."""
        return cls(settings.files.stores, settings.files.beside, settings.files.options)

    def place(self, url: str, live: str) -> StorePlace:
        """The place of an address, with the credentials of the root that is at `live`.

        Raises:
            SettingsError: the settings do not name that root, an option is not valid, or a package is not installed.
        """
        name = self._name(live)
        try:
            from edms_tasks.files.store_place import client_for, place_at
        except ImportError as error:
            raise package_missing(name, live, error) from error
        if name not in self._clients:
            self._clients[name] = client_for(self._options.get(name, {}), live, name)
        return place_at(self._clients[name], url, name)

    def has_place_beside(self, name: str) -> bool:
        """Whether there is a place beside that root for what a restore stages and keeps."""
        return name in self._beside or not is_whole_bucket(self.addresses[name])

    def beside(self, live: str) -> str:
        """What addresses beside the root begin with. Raises StoreNotWritten if it is a whole bucket and the settings name nothing."""
        name = self._name(live)
        if not self.has_place_beside(name):
            raise StoreNotWritten(
                f"The files {name!r} are a whole bucket, in which nothing can be beside them.",
                where=live,
                why="A restore stages the new objects apart from the live ones, and keeps the previous ones. Nothing was changed.",
                fix=f'Name a place for them in another bucket of the same store: [files] beside = {{ {name} = "s3://BUCKET/PREFIX" }}.',
            )
        return self._beside.get(name, live)

    def staging(self, live: str) -> str:
        """An address for staged objects that no other run uses."""
        return f"{self.beside(live)}{_STAGED}{secrets.token_hex(4)}"

    def is_set_aside(self, url: str, live: str) -> bool:
        """Whether an address is one that a promotion gives to what it sets aside."""
        return _SET_ASIDE.fullmatch(url.removeprefix(self.beside(live))) is not None

    def record(self, live: str) -> tuple[StorePlace, str]:
        """The bucket, and the key in it, of the record of an unfinished promotion."""
        bucket, path = _split(self.beside(live))
        return self.place(bucket, live), path + _RECORD

    def remove_left_by_killed_runs(self, live: str) -> tuple[str, ...]:
        """Remove staged objects of killed runs; returns their addresses. The caller holds the target's lock."""
        bucket, path = _split(self.beside(live))
        everything, removed = self.place(bucket, live), []
        for folder in everything.folders_that_begin(path + _STAGED):
            if re.fullmatch(r"[0-9a-f]{8}", folder.removeprefix(path + _STAGED)):
                removed.append(f"{bucket}/{folder}")
        from edms_tasks.files.store_copying import remove_all

        for url in removed:
            remove_all(self.place(url, live))
        return tuple(removed)

    def require_writable(self, live: str) -> None:
        """Check that objects can be written and removed, in the root and beside it; raises RepositoryForbidden.

        It is checked by writing an empty object of a name of its own and removing it.
        """
        for url in (f"{self.beside(live)}{_STAGED}{secrets.token_hex(4)}", live):
            place = self.place(url, live)
            place.write(MAY_WRITE, (), {})
            place.remove(MAY_WRITE)

    def _name(self, live: str) -> str:
        for name, address in self.addresses.items():
            if address == live:
                return name
        raise SettingsError(
            "The settings do not name a store that a promotion has to do with.",
            where=live,
            fix='Name it again: [files] roots = { NAME = "' + live + '" }, with its [files.options.NAME].',
        )


def require_apart(lives: Sequence[str], stores: LiveStores) -> None:
    """Check that no root that is to be replaced is inside or around another one, nor what is kept beside it; raises SettingsError."""
    for live in lives:
        beside = f"{stores.beside(live)}."
        for name, other in stores.addresses.items():
            if other != live and any(map(_within, (live, beside, other), (other, other, live))):
                raise SettingsError(
                    f"Files in a store cannot be replaced, because they, or what is kept beside them, are among the files {name!r}.",
                    where=f"{live} and {other}",
                    fix="Name one of the two in [files] roots, and not both; or with [files] beside a place in neither.",
                )


def _within(inner: str, outer: str) -> bool:
    return f"{inner}/".startswith(f"{outer}/")


@dataclass(frozen=True)
class StagedStore:
    """The address of a root's live objects, and that of the staged ones."""

    live: str
    staged: str


def package_missing(name: str, url: str, error: ImportError) -> SettingsError:
    """The error where a package for stores is not installed."""
    return SettingsError(
        "A package for files in a store of objects is not installed.",
        where=f"[files] roots.{name}: {url}",
        why=str(error),
        fix="pip install 'edms-backup[s3]'",
    )


def _split(url: str) -> tuple[str, str]:
    """The address of the bucket, and the rest."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")
