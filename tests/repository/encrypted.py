"""What tests of encrypted repositories share."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings, Settings
from tests.repository.samples import manifest_of

CONTENT = b"Batch record 4711, confidential" * 1000


def settings_of(place: RepositorySettings) -> Settings:
    """The settings of a system that is backed up there."""
    return Settings(repository=place, workdir=Path(place.url).with_name("work"))


def store_snapshot(settings: RepositorySettings, content: bytes = CONTENT, **facts: object) -> tuple[str, ObjectRef]:
    repository = Repository.open(settings)
    with repository.lock("backup"):
        run = repository.begin()
        ref = repository.put_bytes(content)
        snapshot_id = repository.write_snapshot(manifest_of(ref, **facts))  # type: ignore[arg-type]
        repository.finish(run)
    return snapshot_id, ref


def without_recovery_key(settings: RepositorySettings) -> RepositorySettings:
    """The same machine after its recovery key was carried away."""
    assert settings.identity is not None
    return settings.model_copy(update={"identity": settings.identity.with_name("carried-away")})


def files_of(settings: RepositorySettings) -> dict[str, bytes]:
    folder = Path(settings.url)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
