"""Small manifests to store, and a way to damage what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edms_tasks.inventory.model import Edms, EdmsIdentity
from edms_tasks.manifest import Manifest, NativeSchema, ObjectRef
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.settings import RepositorySettings

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def identity_of(edms: str, **names: str) -> EdmsIdentity:
    """An EDMS; `names` replaces names of it."""
    known = {"host": f"host of {edms}", "database": f"/srv/{edms}/db.sqlite3", "project": f"/srv/{edms}"}
    return EdmsIdentity(id=edms, given=True, engine="sqlite", settings_module="config.settings", **(known | names))


def manifest_of(
    schema: ObjectRef,
    *,
    day: int = 0,
    tag: str | None = None,
    previous: str | None = None,
    number: int | None = None,
    edms: EdmsIdentity | None = None,
    module: str = "config.settings",
    aside: tuple[str, ...] = (),
) -> bytes:
    """The smallest manifest: no tables, no files, one object. Without `edms` it is as an earlier release made it."""
    manifest = Manifest(
        created=FIRST_DAY + timedelta(days=day),
        tag=tag,
        edms=Edms(
            python="3.11",
            django="5.2",
            settings_module=module,
            secret_key_fingerprint="0" * 16,
            migrations_applied=(),
            migrations_leaves=(),
        ),
        engine="sqlite",
        native_schema=NativeSchema(engine="sqlite", format="sqlite-schema-json", object=schema, server_version="3"),
        sequences=(),
        tables=(),
        files=(),
        findings=(),
        versions={},
        seconds={},
        previous=previous,
        number=number,
        identity=edms,
        aside=aside,
    )
    return manifest.to_json()


class Store:
    """The repository's place seen from outside, with its bytes in reach."""

    def __init__(self, settings: RepositorySettings) -> None:
        self._backend = open_backend(settings)
        self._settings = settings

    def path_of(self, ref: ObjectRef) -> str:
        return Repository.open(self._settings).stored_name(ref)

    def path_of_snapshot(self, snapshot_id: str) -> str:
        return f"snapshots/{snapshot_id}.json"

    def read(self, path: str) -> bytes:
        return b"".join(self._backend.blocks(path))

    def write(self, path: str, data: bytes) -> None:
        self._backend.write(path, [data])

    def flip(self, path: str, position: int) -> None:
        data = bytearray(self.read(path))
        data[position] ^= 0x01
        self.write(path, bytes(data))

    def remove(self, path: str) -> None:
        self._backend.remove(path)

    def names(self) -> set[str]:
        """All files but the lock."""
        top = self._backend.top_level()
        return {name for folder in top - {"locks"} for name, _ in self._backend.names(folder)} | (top & {"config.json"})
