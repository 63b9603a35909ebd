"""The repository: the one place that holds snapshots and the content-addressed objects they name.

    config.json               what this folder is
    objects/ab/<sha256>       immutable objects, named by the SHA-256 of their bytes
    snapshots/<sha256>.json   manifests, named likewise; a snapshot exists when its manifest does
    heads/<hash>.json         which snapshot of each EDMS is the newest
    locks/ pending/ tmp/      who is at work, which runs began and did not end, what is half written

`store.py` is the repository, `place.py` the folder it lives in (any fsspec file system), `locks.py` who may write,
`survey.py` what is known of the snapshots, `chain.py` their order.
"""

from edms_tasks.repository.store import Repository, Swept
from edms_tasks.repository.survey import Survey

__all__ = ["Repository", "Survey", "Swept"]
