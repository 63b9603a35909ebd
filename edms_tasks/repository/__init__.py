"""The repository: a folder, local or remote, with snapshots and the content-addressed objects they name.

    config.json               what this folder is
    objects/ab/<sha256>       immutable objects, named by the SHA-256 of their bytes
    snapshots/<sha256>.json   manifests, named likewise; a snapshot exists when its manifest does
    heads/<hash>.json         which snapshot of each EDMS is the newest
    records/ proved/          holds, tags and prunes; which snapshots a restore has proved
    locks/ pending/ tmp/      who is at work, which runs began and did not end, what is half written
    marks/                    objects that no snapshot names, and that a later sweep removes

`store.py` is the repository, `backend.py` the folder that holds it (on any fsspec file system), `backends/` the same
on S3 and SFTP, `overlay.py` a backend that is only read, `unlocking.py` removes the lock of a run that is gone,
`repository_lock.py` the lock for writing, `config.py` the config.json, `survey.py` reads all manifests and head
records, `chain.py` orders the snapshots. `records.py` and `proved_snapshots.py` are what is recorded about snapshots
after them, `retention_rules.py` says which are kept, `sweep.py` removes objects that no snapshot names, and
`reader_leases.py` keeps those that a restore reads.
"""

from edms_tasks.repository.encrypted_repository import is_encrypted
from edms_tasks.repository.store import Repository
from edms_tasks.repository.survey import Survey
from edms_tasks.repository.sweep import Swept

__all__ = ["Repository", "Survey", "Swept", "is_encrypted"]
