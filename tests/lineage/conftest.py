"""A repository with snapshots of several EDMSs, each a manifest and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.inventory.model import EdmsIdentity
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.lineage.snapshot_history import SnapshotHistory, history_of
from edms_tasks.lineage.snapshot_names import choose
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.chain import Mark
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import Store, identity_of, manifest_of


class Shelf:
    """Makes snapshots as a backup orders them, and looks at them as a restore does."""

    def __init__(self, folder: Path) -> None:
        self.settings = RepositorySettings(url=str(folder))
        self.repository = Repository.create(self.settings)
        self.store = Store(self.settings)
        self.folder = folder

    def add(
        self,
        edms: str | EdmsIdentity,
        day: int,
        *,
        crash: bool = False,
        here: Mark | None = None,
        tag: str | None = None,
    ) -> str:
        """A snapshot of this release; `crash`: killed before the head record was written."""
        identity = identity_of(edms) if isinstance(edms, str) else edms
        history = self.history(identity.id, here)
        previous, number = history.next_mark
        aside = tuple(one for one in history.chain.heads if one != history.newest)
        manifest = manifest_of(
            self.repository.put_bytes(b"schema"),
            day=day,
            previous=previous,
            number=number,
            edms=identity,
            aside=aside,
            tag=tag,
        )
        snapshot_id = self.repository.write_snapshot(manifest)
        if not crash:
            self.repository.write_head(identity.id, snapshot_id, number)
        return snapshot_id

    def old(self, day: int, previous: str | None = None, *, module: str = "config.settings") -> str:
        """A snapshot of a release that recorded neither identity nor number."""
        schema = self.repository.put_bytes(b"schema")
        return self.repository.write_snapshot(manifest_of(schema, day=day, previous=previous, module=module))

    def remove(self, snapshot_id: str) -> None:
        self.store.remove(self.store.path_of_snapshot(snapshot_id))

    def rename(self, snapshot_id: str, name: str) -> None:
        (self.folder / "snapshots" / f"{snapshot_id}.json").rename(self.folder / "snapshots" / name)

    def manifest(self, snapshot_id: str) -> Manifest:
        return Manifest.from_json(self.repository.read_snapshot(snapshot_id), where="")

    def history(self, edms: str | None, here: Mark | None = None) -> SnapshotHistory:
        return history_of(self.repository, this_edms(edms), here)

    def latest(self, edms: str | None, here: Mark | None = None) -> str:
        return choose(self.repository, "latest", this_edms(edms), here).snapshot_id

    def codes(self, edms: str | None, here: Mark | None = None) -> list[str]:
        return [one.code for one in self.history(edms, here).findings()]


def this_edms(edms: str | None) -> KnownEdms:
    if edms is None:
        return KnownEdms(None)
    return KnownEdms(
        edms, identity_of(edms), ("config.settings", "sqlite", "0" * 16, ()), f"/srv/{edms}", "config.settings"
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "backups")
