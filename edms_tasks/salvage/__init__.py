"""Salvage: find the intact parts of a snapshot in a damaged repository, and name everything that is lost.

`open_damaged_snapshot.py` opens the snapshot or says why nothing can be done, `salvaged_tables.py` and `salvaged_files.py` read
every object and keep the intact ones, `salvaged_rows.py` measures the rows that are left, `lost_references.py` lists rows that
refer to lost ones, `lost_ids.py` and `losses.py` say what is lost. The result is a manifest of what is left, which a restore
brings back and validates like any other. Nothing here touches a database or writes to the repository.
"""

from edms_tasks.salvage.losses import Dangling, FilesLoss, FilesOfLostRows, Losses, LostChunk, LostObject, TableLoss
from edms_tasks.salvage.lost_references import DanglingList
from edms_tasks.salvage.open_damaged_snapshot import open_snapshot, require_schema
from edms_tasks.salvage.salvaged_blocks import SalvagedTable
from edms_tasks.salvage.salvaged_files import SalvagedFiles, survey_files, write_lost_files
from edms_tasks.salvage.salvaged_rows import salvaged_manifest, salvaged_rows, state_of_salvaged
from edms_tasks.salvage.salvaged_tables import survey_table

__all__ = [
    "Dangling",
    "DanglingList",
    "FilesLoss",
    "FilesOfLostRows",
    "Losses",
    "LostChunk",
    "LostObject",
    "SalvagedFiles",
    "SalvagedTable",
    "TableLoss",
    "open_snapshot",
    "require_schema",
    "salvaged_manifest",
    "salvaged_rows",
    "state_of_salvaged",
    "survey_files",
    "survey_table",
    "write_lost_files",
]
