"""The request of each verb: one frozen type, shared by the command line, the flow's form and the library.

Only here are a field's bounds and description defined. Prefect's form and the command line's help are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from flows.running.field_descriptions import FieldDescription

Policy = Literal["overwrite", "keep", "fail"]
"""What becomes of a row that is in both and differs."""

Name = Annotated[str, MinLen(1), MaxLen(4096)]
SnapshotName = Annotated[Name, FieldDescription("`latest`, an id or its first digits, a tag, or a package's file.")]
Into = Annotated[
    Name | None,
    FieldDescription(
        "Restore into a database of this name (SQLite: a file) instead of replacing the EDMS's. "
        "As a URL, without password: a database of the other engine."
    ),
]
IntoFiles = Annotated[Path | None, FieldDescription("With `into`: the folder for the restored files.")]
SchemaSource = Literal["migrations", "models"]
"""What makes the tables of another engine."""
Schema = Annotated[
    SchemaSource,
    FieldDescription(
        "Into another engine: create the tables by the EDMS's `migrations`, or from its `models` if a migration does not run there."
    ),
]
DropUnknown = Annotated[
    bool,
    FieldDescription("Of a snapshot newer than the EDMS's code: drop tables and columns that the code does not know."),
]
Mask = Annotated[
    Path | None,
    FieldDescription(
        "With `into`: a file of masking rules. Personal columns get pseudonyms, and the copy is searched for what they were."
    ),
]
WithoutErasures = Annotated[
    str,
    MaxLen(1000),
    FieldDescription("Do not apply the ledger of erasures again, for this reason: erased data comes back."),
]
Wait = Annotated[bool, FieldDescription("Wait for a running backup. Off: fail if one is running.")]
Reason = Annotated[
    str,
    MaxLen(1000),
    FieldDescription(
        "Why it is run, or the number of a ticket: for the repository's log, which is not encrypted, and the report."
    ),
]


@dataclass(frozen=True, kw_only=True)
class BackupRequest:
    """A snapshot."""

    tag: Annotated[Name | None, FieldDescription("A name for the snapshot, e.g. before-upgrade.")] = None
    create_repository: Annotated[
        bool, FieldDescription("Create a new repository, even if another one was used before.")
    ] = False
    accept_repository: Annotated[
        bool, FieldDescription("Accept the repository, even if it is another one or an older copy.")
    ] = False
    reason: Reason = ""


@dataclass(frozen=True)
class InspectRequest:
    """An inventory: there is nothing to choose."""


@dataclass(frozen=True)
class DoctorRequest:
    """A diagnosis: there is nothing to choose."""


@dataclass(frozen=True, kw_only=True)
class ListRequest:
    """A list of the snapshots."""

    all_edms: Annotated[bool, FieldDescription("Also the snapshots of other EDMSs in the repository.")] = False


@dataclass(frozen=True, kw_only=True)
class StatusRequest:
    """A look at whether there is a backup to rely on."""

    max_age: Annotated[
        str | None, FieldDescription("How old the newest snapshot may be: 26h, 2d. Empty: see the settings.")
    ] = None
    max_proof_age: Annotated[
        str | None, FieldDescription("How long ago a restore may last have proved one: 35d. Empty: see the settings.")
    ] = None
    max_drill_age: Annotated[
        str | None, FieldDescription("How long ago the last drill may have passed: 8d. Empty: see the settings.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class AlarmRequest:
    """An alarm of the Prefect server, to be told to people."""

    name: Annotated[str, FieldDescription("The alarm.")] = "test"
    message: Annotated[str, FieldDescription("What is told.")] = "A test: nothing has happened."
    run: Annotated[
        str, FieldDescription("The run that it is about. If it has told of itself already, nobody is told twice.")
    ] = ""


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """A verification: which snapshots, and how much of them is read. Neither `structure` nor `sample`: everything."""

    snapshot: Annotated[
        Name | None, FieldDescription("One snapshot: `latest`, an id or its first digits, or a tag. Empty: every one.")
    ] = None
    structure: Annotated[
        bool,
        FieldDescription(
            "Read the manifests alone: their order, and whether every object is there with the right size."
        ),
    ] = False
    sample: Annotated[
        float | None,
        Gt(0),
        Le(100),
        FieldDescription(
            "Besides the structure, read that many percent of all bytes, each time those not read for the longest time."
        ),
    ] = None
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class RestorePlanRequest:
    """A restore that is only planned."""

    snapshot: SnapshotName = "latest"
    into: Into = None
    into_files: IntoFiles = None
    drop_unknown: DropUnknown = False
    schema: Schema = "migrations"
    limit: Annotated[
        int, Ge(0), FieldDescription("How many rows and paths of each kind to list, for each model and folder.")
    ] = 5


@dataclass(frozen=True, kw_only=True)
class RestoreRequest:
    """A restore."""

    snapshot: SnapshotName = "latest"
    into: Into = None
    into_files: IntoFiles = None
    confirm: Annotated[
        bool,
        FieldDescription(
            "Must be on to replace the EDMS's database and files. The present ones are kept for a rollback. It is valid once: a retry "
            "of a run that has promoted does nothing."
        ),
    ] = False
    salvage: Annotated[
        bool, FieldDescription("From a damaged repository: restore the intact parts and list the rest.")
    ] = False
    promote_salvaged: Annotated[
        bool, FieldDescription("With `salvage` and without `into`: replace the live system although parts are lost.")
    ] = False
    drop_unknown: DropUnknown = False
    schema: Schema = "migrations"
    mask: Mask = None
    without_erasures: WithoutErasures = ""
    wait: Wait = True
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class DrillRequest:
    """A drill: a restore into a throwaway database and folders, which are removed afterwards."""

    snapshot: SnapshotName = "latest"
    random: Annotated[
        bool,
        FieldDescription(
            "Choose one of this EDMS's snapshots at random, of those first that no drill has restored yet."
        ),
    ] = False
    seed: Annotated[
        int | None,
        Ge(0),
        FieldDescription("With `random`: make the same choice again; the report of a drill names its seed."),
    ] = None
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """A merge."""

    snapshot: SnapshotName = "latest"
    on_conflict: Annotated[Policy, FieldDescription("What to do with rows of both systems that differ.")] = "overwrite"
    models: Annotated[
        Mapping[str, Policy], FieldDescription("The same for single models, e.g. documents.Document: keep.")
    ] = field(default_factory=dict)
    only: Annotated[
        tuple[str, ...],
        FieldDescription(
            "Only these objects, such as documents.Document:SOP-0001 or documents.Document:number=SOP-*, and what they refer to if it "
            "is missing. Empty: everything."
        ),
    ] = ()
    with_dependents: Annotated[
        bool, FieldDescription("With `only`: also rows that depend on these objects, such as versions and comments.")
    ] = False
    keys: Annotated[
        Mapping[str, tuple[str, ...]],
        FieldDescription(
            "Match the rows of these models by other fields than the snapshot's natural key, e.g. documents.Document: [number]. "
            "Wins over [natural_keys] of the settings."
        ),
    ] = field(default_factory=dict)
    rename_files: Annotated[
        bool,
        FieldDescription(
            "Give files other names (a_1.pdf) if rows of the target have theirs, also in the rows that name them. Otherwise they "
            "are a conflict."
        ),
    ] = False
    not_references: Annotated[
        tuple[str, ...],
        FieldDescription(
            "Columns that look like ids of rows and are not, such as documents.Document.batch_id. They stay as they are."
        ),
    ] = ()
    without_erasures: WithoutErasures = ""
    dry_run: Annotated[bool, FieldDescription("Show what would be done; write nothing.")] = True
    confirm: Annotated[
        bool, FieldDescription("Must be on to write to the EDMS's database and files. A safety snapshot is made first.")
    ] = False
    wait: Wait = True
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class DiffRequest:
    """Two states to be compared."""

    snapshot: SnapshotName = "latest"
    other: Annotated[
        Name | None, FieldDescription("What to compare it with: another snapshot, or `live`. Empty: the live system.")
    ] = None
    models: Annotated[tuple[str, ...], FieldDescription("Only these models, and no files. Empty: everything.")] = ()
    limit: Annotated[
        int, Ge(0), FieldDescription("How many rows and paths to show of each kind, for each model and folder.")
    ] = 5
    out: Annotated[Path | None, FieldDescription("Write all differences into this new folder, as JSON lines.")] = None


@dataclass(frozen=True, kw_only=True)
class RollbackRequest:
    """A rollback."""

    stamp: Annotated[
        Name | None,
        FieldDescription("The stamp of the restore or rollback to undo, from the list. Empty: the last restore."),
    ] = None
    confirm: Annotated[bool, FieldDescription("Must be on to replace the EDMS's database and files.")] = False
    wait: Wait = True
    reason: Reason = ""


Kept = Annotated[int | None, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class PruneRequest:
    """A prune. What is left empty is as `[retention]` of the settings says."""

    keep_last: Annotated[Kept, FieldDescription("Keep that many of the newest snapshots.")] = None
    keep_hourly: Annotated[Kept, FieldDescription("Keep the last snapshot of each of that many hours.")] = None
    keep_daily: Annotated[Kept, FieldDescription("Keep the last snapshot of each of that many days.")] = None
    keep_weekly: Annotated[Kept, FieldDescription("Keep the last snapshot of each of that many weeks.")] = None
    keep_monthly: Annotated[Kept, FieldDescription("Keep the last snapshot of each of that many months.")] = None
    keep_yearly: Annotated[Kept, FieldDescription("Keep the last snapshot of each of that many years.")] = None
    keep_within: Annotated[
        str | None,
        FieldDescription("Keep all snapshots that are at most so much older than the newest: 30d, 12h, 4w, 6m, 1y6m."),
    ] = None
    keep_tag: Annotated[
        tuple[str, ...],
        FieldDescription("Keep snapshots with such a tag, as a glob pattern. Empty: as in the settings."),
    ] = ()
    keep_set_aside: Annotated[
        str | None,
        FieldDescription("Remove databases and folders that restores and rollbacks have set aside longer ago: 14d."),
    ] = None
    all_edms: Annotated[
        bool, FieldDescription("Apply the rules to every EDMS of the repository, to each by itself.")
    ] = False
    remove: Annotated[
        tuple[Name, ...],
        FieldDescription(
            "Remove this snapshot too, whatever the rules say; a lost or damaged one is given up. Needs a `reason`."
        ),
    ] = ()
    reason: Reason = ""
    dry_run: Annotated[bool, FieldDescription("Show what would be removed; remove nothing.")] = True


@dataclass(frozen=True, kw_only=True)
class CopyRequest:
    """A second copy of the repository."""

    to: Annotated[
        Name | None,
        FieldDescription("A folder or an fsspec URL, without passwords. Empty: `[copy] url` of the settings."),
    ] = None
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """A snapshot in one file."""

    snapshot: SnapshotName = "latest"
    file: Annotated[Name, FieldDescription("The package to write: a path that ends in .edms-package.")] = (
        "latest.edms-package"
    )
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class FixtureRequest:
    """A snapshot as Django fixtures."""

    snapshot: SnapshotName = "latest"
    target: Annotated[
        Name,
        FieldDescription(
            "A folder for the rows (data.jsonl) and the files, or one file: NAME.json, .jsonl, .xml or .yaml, also with .gz, .bz2, "
            ".xz, .lzma or .zip behind it."
        ),
    ] = "fixtures"
    models: Annotated[
        tuple[Name, ...], FieldDescription("Only these apps or models, such as documents or documents.Document.")
    ] = ()
    exclude: Annotated[tuple[Name, ...], FieldDescription("Not these apps or models.")] = ()
    natural_foreign: Annotated[
        bool, FieldDescription("Write references by natural key where the model's manager can find rows by it.")
    ] = False
    natural_primary: Annotated[
        bool, FieldDescription("With `natural_foreign`: leave out ids of rows that have such a key.")
    ] = False
    indent: Annotated[
        int | None, Ge(0), Le(8), FieldDescription("In JSON and XML: a field a line, with so many blanks a level.")
    ] = None
    without_files: Annotated[
        bool, FieldDescription("Leave out the files of the roots, and do not count that as a loss.")
    ] = False
    without_erasures: WithoutErasures = ""
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A snapshot from one file."""

    file: Annotated[Name, FieldDescription("The package to read: a path that ends in .edms-package.")] = (
        "latest.edms-package"
    )
    identity: Annotated[
        Path | None,
        FieldDescription("The file of the recovery key of the package's repository, if it is another one's."),
    ] = None
    reason: Reason = ""


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """An old backup of another tool."""

    path: Annotated[Name | None, FieldDescription("The file or folder of the old backup, where the run works.")] = None
    inspect: Annotated[bool, FieldDescription("Only say what it is, holds and lacks; write nothing.")] = False
    format: Annotated[Name | None, FieldDescription("Its format, if it is not to be recognised.")] = None
    database: Annotated[Name | None, FieldDescription("Which database, of a dump of several (pg_dumpall).")] = None
    tag: Annotated[Name | None, FieldDescription("A name for the snapshot. Empty: from the file's name.")] = None
    folders: Annotated[
        Mapping[str, str], FieldDescription("Which of its folders holds which root's files: storage/docs: media.")
    ] = field(default_factory=dict)
    schema: Annotated[SchemaSource, FieldDescription("What makes the tables: `migrations` or `models`.")] = "migrations"
    reason: Reason = ""
