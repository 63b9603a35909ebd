"""Note which objects were read whole: by a verification, or by a backup that reads back what it wrote."""

from __future__ import annotations

from collections.abc import Container

from edms_tasks.manifest import Manifest
from edms_tasks.package import object_problem
from edms_tasks.repository import Repository
from edms_tasks.repository.seen_whole import SeenWhole


def note_read(
    seen: SeenWhole,
    repository: Repository,
    manifest: Manifest,
    *,
    is_right: bool,
    known: Container[str] = frozenset(),
) -> None:
    """Note that a snapshot's objects were read, except the `known` ones (SHA-256s). If something was wrong, each is read by itself."""
    read = [ref for ref in manifest.objects().values() if ref.sha256 not in known]
    if is_right:
        seen.note(map(repository.stored_name, read))
        return
    damaged = {repository.stored_name(ref) for ref in read if object_problem(repository, ref)}
    seen.note({repository.stored_name(ref) for ref in read} - damaged, damaged)
