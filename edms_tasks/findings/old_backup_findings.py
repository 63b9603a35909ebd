"""Findings on old backups of other tools. An `error` is a loss: what the backup held, or should have held, is not in the snapshot."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

_ANOTHER = "Look for another copy, or for a backup of the days before and after; convert both and compare them with `edms-backup diff`."

KINDS = (
    Kind(
        "old-truncated",
        ("error",),
        "The file ends before its data does, as after a full disk or a killed process. All that is whole before "
        "the end was read.",
        _ANOTHER,
    ),
    Kind(
        "old-rows-damaged",
        ("error",),
        "Some rows cannot be parsed, or are no rows of a model. They are not in the snapshot; the others are.",
        _ANOTHER,
    ),
    Kind(
        "old-no-rows",
        ("error",),
        "It holds no rows: an empty file, or a list of table names that a tool wrote when its dump had failed, "
        "although it reported success.",
        "There is nothing to restore from it, except files if it has some. " + _ANOTHER,
    ),
    Kind(
        "old-noise",
        ("info",),
        "Text stands before, between or after the rows, such as what the EDMS's settings printed. It was skipped.",
    ),
    Kind(
        "old-unproved",
        ("info",),
        "The backup has no checksum that would show a changed byte. Whether its values are as they were written "
        "cannot be proved.",
        "Compare samples with paper, exports or the live system.",
    ),
    Kind(
        "old-checksum-differs",
        ("error",),
        "The checksum that stands beside a file is not that of the file.",
        "The file was changed or damaged after the backup. " + _ANOTHER,
    ),
    Kind(
        "old-member-refused",
        ("error",),
        "An archive has members that were not unpacked: names that lead out of the folder, links, devices, names "
        "that clash, or more data "
        "than the archive's size can explain.",
        "If the archive is from a source that you trust, unpack it by hand, look, and convert the folder.",
    ),
    Kind(
        "old-files-empty",
        ("error",),
        "The archive of files is empty (0 bytes) or cannot be read: the files are lost.",
        _ANOTHER,
    ),
    Kind(
        "old-base-missing",
        ("error",),
        "An incremental or differential archive holds only what changed since another backup, and not what was "
        "deleted. Alone it is not complete.",
        "Convert the full backup before it too, and copy the newer files over it after a restore into another folder.",
    ),
    Kind(
        "old-counts-differ",
        ("error",),
        "The backup's own metadata names another number of rows or files than it holds.",
        _ANOTHER,
    ),
    Kind(
        "old-secret",
        ("warning",),
        "The old backup holds passwords or keys in clear: whoever has it can read them. They were not copied.",
        "Change what is still in use, and keep or destroy the old backup accordingly.",
    ),
    Kind(
        "old-milliseconds",
        ("warning",),
        "Django's JSON keeps milliseconds of times and cuts the rest. The times with three decimals are as the backup has them, and not "
        "to the microsecond as the EDMS had them.",
    ),
    Kind(
        "old-model-unknown",
        ("error",),
        "The EDMS's code does not have this model any more. Its rows are not in the snapshot; they are listed "
        "beside the report.",
        "Convert with the code of that time ([edms] project), or take the rows from the list.",
    ),
    Kind(
        "old-field-unknown",
        ("error",),
        "The EDMS's code does not have this field any more. Its values are not in the snapshot; the rows are.",
        "Convert with the code of that time ([edms] project), or take the values from the old backup.",
    ),
    Kind(
        "old-field-computed",
        ("info",),
        "The database computes this field. It has what the EDMS's code computes of the row, and not what the backup says.",
    ),
    Kind(
        "old-field-absent",
        ("info", "error"),
        "The code has a field that the backup lacks. The rows have NULL or the column's default; an error if the "
        "column allows neither, or if other rows of the model have the field.",
        "Convert with the code of that time, restore, and let `migrate` fill the field.",
    ),
    Kind(
        "old-keys-absent",
        ("warning",),
        "The backup lacks primary keys (`--natural-primary`). References by natural key lead to their rows; those by id alone (generic "
        "references, ids in texts and in names of files) may be lost. Converting it counts the generic ones.",
        "If another backup of that time has the keys, prefer it.",
    ),
    Kind(
        "old-key-assigned",
        ("info", "error"),
        "The backup lacks the primary keys of these rows (`--natural-primary`). New ones were assigned; "
        "references by natural key lead to them. An error if other rows of the model have theirs.",
    ),
    Kind(
        "old-key-recovered",
        ("warning",),
        "The backup lacks keys that are texts, such as the code of a state (`--natural-primary`). They were "
        "found again in rows that refer to "
        "them, where exactly one row fits.",
        "Look at the examples: is each key that of its row?",
    ),
    Kind(
        "old-key-lost",
        ("error",),
        "The backup lacks keys that are texts, such as the code of a state (`--natural-primary`), and nothing "
        "says which row had which. These "
        "rows are not in the snapshot; they are listed beside the report.",
        "Take the keys from the EDMS's code or from another backup.",
    ),
    Kind(
        "old-reference-unresolved",
        ("error",),
        "Rows refer to rows that the backup does not hold, or by a key that is not that of the code. The "
        "reference is empty in the snapshot if "
        "the column allows it; otherwise the row is missing.",
        "The rows are listed beside the report. " + _ANOTHER,
    ),
    Kind(
        "old-reference-by-id",
        ("error",),
        "Rows refer by id to rows that the backup does not hold, such as content types. The rows that the EDMS's migrations make have "
        "these ids, and may be others than those of that time.",
        "Use a backup that has these rows too, or refers by natural keys (`--natural-foreign`). Else compare samples with the EDMS.",
    ),
    Kind(
        "old-natural-key-found",
        ("warning",),
        "Rows refer to rows of a model by natural keys that the code does not have. The columns that alone fit all of them were taken.",
        "Look at samples: do the references lead to the right rows?",
    ),
    Kind(
        "old-row-left-out",
        ("error",),
        "Rows could not be placed in the EDMS's tables. They are not in the snapshot; they are listed beside the "
        "report.",
        "Convert with the code of that time, or take the rows from the list.",
    ),
    Kind(
        "old-duplicate-row",
        ("info", "error"),
        "The backup holds a row more than once. The same row twice is one row; of rows that differ, the last is "
        "in the snapshot, as loaddata "
        "would leave it, and the others are listed beside the report.",
    ),
    Kind(
        "old-value-invalid",
        ("error",),
        "Values are no values of their column, such as a text in a number. They are not in the snapshot.",
        _ANOTHER,
    ),
    Kind(
        "old-rows-from-migrations",
        ("info",),
        "The backup has no rows of a model that the EDMS's own migrations fill. The rows that they make are in "
        "the snapshot.",
    ),
    Kind(
        "old-model-not-in-backup",
        ("warning",),
        "The backup has no rows of this model: it had none, or was made without it.",
    ),
    Kind("old-folder-mapped", ("info",), "A folder of the old backup became a root of the EDMS's files."),
    Kind(
        "old-files-without-root",
        ("error",),
        "Files of the old backup are in no folder that is a root of the EDMS's files. They are not in the snapshot.",
        "Name their folder: [files] roots in the settings, or `convert --folder PATH=ROOT`.",
    ),
    Kind(
        "old-root-absent",
        ("warning",),
        "The old backup has no folder for a root of the EDMS's files: it had none, or was made without it.",
        "If the files are in another backup, convert that too. A folder with another name: `convert --folder PATH=ROOT`.",
    ),
    Kind(
        "old-not-converted",
        ("warning", "error"),
        "The old backup has files that are neither rows nor files of the EDMS, such as settings and logs. They are not in the snapshot. "
        "An error if they may be data.",
        "Take what you need of them from the old backup.",
    ),
    Kind(
        "old-parts-apart",
        ("warning",),
        "The rows and the files are of different times: rows may name files that are not there, and files may belong to no row.",
        "Convert a dump and an archive of files of the same run.",
    ),
    Kind(
        "old-others-beside",
        ("info",),
        "The folder has other backups too. They were not read.",
        "Convert each of them by its own path.",
    ),
    Kind(
        "old-files-missing",
        ("error",),
        "Files that the old backup's own list or its rows name are not in it.",
        _ANOTHER,
    ),
    Kind(
        "old-files-not-exported",
        ("warning",),
        "The old backup was made without files that the EDMS can make again: archive versions or thumbnails of documents.",
        "After a restore, let the EDMS make them: paperless-ngx has document_archiver and document_thumbnails.",
    ),
    Kind(
        "old-values-encrypted",
        ("error",),
        "The old backup has values that are encrypted with a passphrase, such as passwords of mail accounts.",
        "After a restore, enter them again; or import the export with the EDMS's own importer and its passphrase.",
    ),
)
