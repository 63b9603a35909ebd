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
        "repository-unusable",
        ("error",),
        "The repository cannot be opened with the keys and the id of the settings, so a backup would fail.",
        "The finding says what is wrong.",
    ),
    Kind(
        "repository-not-encrypted",
        ("warning",),
        "The repository is not encrypted: whoever reads it reads the documents.",
        "Make an encrypted one with `edms-backup init` under another URL.",
    ),
    Kind(
        "object-lock-not-in-force",
        ("error",),
        "`[repository] immutable_days` is set, but the store does not keep the newest snapshot for so long. It can be changed and removed.",
        "Make a backup, which prolongs the retention of all that its snapshot needs. The bucket must have been made with object lock: "
        "docs/storage.md.",
    ),
    Kind(
        "bucket-removes-objects",
        ("error",),
        "The bucket has a life-cycle rule that removes objects of the repository, or moves them to an archive class. An object is as old "
        "as the first backup that needed it, so new snapshots lose objects, too.",
        "Remove the rule, or let it leave out the repository's prefix; `[retention]` and `prune` remove what is not needed. Then run "
        "`edms-backup verify`. Rules for versions that are no longer current do no harm.",
    ),
    Kind(
        "recovery-key-beside-repository",
        ("warning",),
        "The recovery key is on the disk of the repository. If the disk fails or is stolen, so is the key.",
        "Keep a copy elsewhere (`edms-backup key print` for paper), and move the file to another disk, or away from this machine.",
    ),
    Kind(
        "recovery-key-exposed",
        ("warning",),
        "The recovery key is where others can read it: in the repository, in a folder that is backed up, or by its permissions.",
        "Move it to a folder of its own, readable by one user only.",
    ),
    Kind(
        "write-key-exposed",
        ("warning",),
        "Others can read the write key, with which backups are signed.",
        "Give the file to one user only.",
    ),
    Kind(
        "write-key-outdated",
        ("warning",),
        "This machine encrypts to an earlier key of the repository: the keys were rotated, or `config.json` was altered.",
        "Make another write key where the recovery key is: `edms-backup key writer FILE`.",
    ),
    Kind(
        "repository-keys-damaged",
        ("error",),
        "The files in `keys/` of an encrypted repository are gone or damaged. Without them the recovery key opens nothing.",
        "Put them back, from a copy of the repository or from `copies/<id>/keys` in `workdir`.",
    ),
    Kind(
        "snapshot-damaged",
        ("warning",),
        "The manifest of a snapshot is damaged, and it may be the newest one.",
        "Put it back from a copy of the repository. `edms-backup verify` names all.",
    ),
    Kind(
        "log-shortened",
        ("warning",),
        "The log of the repository lacks an entry that this machine has seen, or has another in its place: entries were removed or "
        "written anew, or this is an earlier copy of the repository.",
        "Find out what happened: `edms-backup log` shows what is left. If this is the copy to go on with: `backup --accept-repository`.",
    ),
    Kind(
        "snapshot-untrusted",
        ("warning",),
        "A snapshot of a repository whose snapshots are signed has no signature of a machine that the repository knows: somebody else "
        "wrote or altered it. It is not restored.",
        "Find out who wrote it, and move the file away. If a machine of yours made it, give it a write key: `edms-backup key writer`.",
    ),
    Kind(
        "snapshot-sealed",
        ("info",),
        "A snapshot of an encrypted repository cannot be read on this machine, which has no recovery key; it is stored as it should be.",
        "Nothing to do. Where the recovery key is, everything can be read.",
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
        "record-damaged",
        ("warning",),
        "A record in the repository (`records/`) is missing or was altered, or a machine signed it that was revoked or is not known. It "
        "may be a hold, a tag or what a prune removed. No prune removes anything until that is settled.",
        "Put it back from a copy of the repository. If it is lost for good: check all holds, then `edms-backup release --lost-records "
        "--reason TEXT`; move an unreadable file away before. A record of a revoked machine counts again when the record that vouches for "
        "it is put back, which `key rotate --reencrypt` of an early release has removed; or hold the snapshot again, and move the file "
        "away.",
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
