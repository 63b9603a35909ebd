"""Where a named snapshot is: in the repository, or in a package, whose path is the name."""

from __future__ import annotations

import os
from pathlib import Path

from edms_tasks.repository import Repository, is_encrypted
from edms_tasks.repository.package_file import SCHEME
from edms_tasks.settings import Settings

SUFFIX = ".edms-package"


def is_package(name: str) -> bool:
    """Whether the name is the path of a package: it ends like one, or has a slash, which no tag has."""
    return name.endswith(SUFFIX) or os.sep in name


def open_source(settings: Settings, name: str, identity: Path | None = None) -> tuple[Repository, str]:
    """The repository that holds the snapshot, and the snapshot's name in it.

    A package may be of another repository, so the settings' id and write key do not count. `identity` is the file of the recovery key
    that opens it, if that is not the one of the settings.

    Raises:
        CommandError: there is no such package.
        DamagedRepository: it is damaged, or has not exactly one snapshot.
    """
    if not is_package(name):
        return Repository.open(settings.repository), name
    changed = {"url": f"{SCHEME}{Path(name).absolute()}", "id": None, "write_key": None}
    place = settings.repository.model_copy(update=changed)
    if not is_encrypted(place):
        place = place.model_copy(update={"identity": None, "passphrase": None})
    elif identity is not None:
        place = place.model_copy(update={"identity": identity})
    package = Repository.open(place)
    return package, package.only_snapshot()
