"""Record in the repository that a restore has proved a snapshot, so that no prune removes the last one."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

from edms_tasks.errors import EdmsBackupError
from edms_tasks.lineage.owner import recorded_key
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.proved_snapshots import ProvedSnapshot, write_proved


def record_proved(repository: Repository, snapshot_id: str, manifest: Manifest) -> tuple[str, ...]:
    """Record it; returns a note if that is not possible. A restore is proved whether or not this can be written down.

    What was restored from a package says nothing of the repository's own objects, so it is not recorded.
    """
    if repository.backend.read_only:
        return ()
    try:
        proved = ProvedSnapshot(
            edms=recorded_key(manifest),
            snapshot=snapshot_id,
            created=manifest.created,
            number=manifest.number,
            at=datetime.now(UTC),
            host=socket.gethostname(),
            how="restore",
        )
        write_proved(repository, proved)
    except (EdmsBackupError, ValueError) as error:  # ValueError: the time in the manifest has no zone
        why = error.what if isinstance(error, EdmsBackupError) else str(error).splitlines()[0]
        return (f"The repository has no record of this proof, so a prune could remove the snapshot: {why}",)
    return ()
