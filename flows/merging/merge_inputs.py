"""The inputs of a merge: what is fixed before any row is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.inventory.model import FileNameReference, Table
from edms_tasks.manifest import Manifest
from edms_tasks.merging.ids_of_other_databases import OtherDatabases
from edms_tasks.merging.live_files import LiveFiles
from edms_tasks.merging.matching_keys import Keys
from edms_tasks.merging.planning import Policy
from edms_tasks.redaction import Redaction
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import Workspace
from flows.merging.merge_options import MergeChoices


@dataclass(frozen=True)
class MergeInputs:
    """The snapshot, the tables and files to merge, and the user's choices."""

    repository: Repository
    manifest: Manifest
    workspace: Workspace
    scratch: Path
    tables: Sequence[Table]
    live: Mapping[str, LiveFiles]  # the EDMS's files, by root
    names: Sequence[FileNameReference]
    keys: Keys
    own_edms: bool  # whether the snapshot belongs to the EDMS that it is merged into
    others: OtherDatabases
    derived: Mapping[str, Sequence[str]]  # table id -> columns that the EDMS computes
    needed: Mapping[str, Collection[str]]  # table id -> columns of references whose rows cannot exist without the other
    wanted: MergeChoices
    redaction: Redaction

    @property
    def policies(self) -> dict[str, Policy]:
        """Table id -> what happens to rows that are on both sides and differ."""
        return {table.id: self.wanted.policies.of(table) for table in self.tables}
