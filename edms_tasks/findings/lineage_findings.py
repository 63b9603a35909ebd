"""Findings about the snapshots of a repository and their order."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "snapshot-missing",
        ("warning",),
        "A snapshot that another record names is missing: its manifest was removed. While the newest snapshot is missing, `latest` is "
        "refused.",
        "Put its manifest back from a copy of the repository. Do not restore another snapshot in its place by mistake.",
    ),
    Kind(
        "snapshot-misnamed",
        ("warning",),
        "A file in `snapshots/` holds the manifest of a snapshot under another name.",
        "Rename it as the finding says.",
    ),
    Kind(
        "stranger-among-snapshots",
        ("warning",),
        "A file in `snapshots/` is not a snapshot.",
        "Find out what it is, and move it away.",
    ),
    Kind(
        "snapshots-forked",
        ("warning",),
        "Two or more snapshots are the newest: two copies of the repository were written to, or an earlier release ran with a clock that "
        "was set back.",
        "Name the one you mean by its id. The next backup follows one of them, says which, and records the others.",
    ),
    Kind(
        "clock-set-back",
        ("warning",),
        "A snapshot has an earlier time than the one before it, or a later time than the clock now shows. The order of snapshots does "
        "not depend on the clock and is right.",
        "Correct the clock (NTP).",
    ),
    Kind(
        "head-behind",
        ("warning",),
        "A backup was interrupted after it wrote its snapshot and before it read it back.",
        "Run `edms-backup verify`. The next backup corrects the repository's record.",
    ),
    Kind(
        "head-record-missing",
        ("warning",),
        "The repository's record of the newest snapshot (`heads/`) is missing. If the newest snapshot was removed too, only the record "
        "in the working folder shows it. An interrupted first backup leaves no record either.",
        "Nothing: the next backup writes it again.",
    ),
    Kind(
        "head-record-damaged",
        ("warning",),
        "The repository's record of the newest snapshot (`heads/`) cannot be read.",
        "Nothing: the next backup of its EDMS writes it again.",
    ),
    Kind(
        "last-backup-unreadable",
        ("warning",),
        "The record of the last backup in `workdir/last` cannot be read, so nothing was compared with that backup.",
        "Remove the file; this backup has written a new one.",
    ),
    Kind(
        "edms-moved",
        ("warning",),
        "The EDMS has another host, database or folder than at the previous backup, with the same `[edms] id`.",
        "If it moved, nothing needs to be done. If this is a copy of another EDMS, give it an [edms] id of its own.",
    ),
    Kind(
        "previous-rows-unusable",
        ("warning",),
        "Chunks of the previous snapshot are missing or damaged. The table was stored whole instead of only its changes.",
        "Run `edms-backup verify`: it says which snapshots are damaged.",
    ),
)
