"""Findings about rows and what they refer to."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "dangling-reference",
        ("warning", "error"),
        "Rows refer to rows that do not exist. They are backed up and restored as they are.",
        "Fix the rows in the EDMS, or leave them: validation expects the same number after a restore.",
    ),
    Kind(
        "generic-look-alike",
        ("info",),
        "A content type and an id together refer to a row, but no GenericForeignKey says so. Backups follow them as a reference.",
        "Declare a GenericForeignKey in the EDMS, or the pair under [[soft_references]].",
    ),
    Kind(
        "soft-reference",
        ("info",),
        "The values of a column, or of a place in its JSON, look like ids of a model. Nothing checks them.",
        "Declare a foreign key in the EDMS, or the column under [[soft_references]]. Ids without a row are then `dangling-reference`.",
    ),
    Kind(
        "ids-in-file-names",
        ("info",),
        "Names of files that no row names look like ids of a model. A full restore brings both back as they were. A merge that gives rows "
        "other ids is refused until they are declared.",
        "Declare them under [[soft_references]] (files, name, target). Files without a row are then `file-of-no-row`.",
    ),
    Kind(
        "soft-reference-unreadable",
        ("warning",),
        "[[soft_references]] declares ids in the JSON of a column, but rows contain text, or a string in the JSON, that is not JSON. "
        "No reference is found in it.",
        "Fix the rows in the EDMS, or leave them: they are restored as they are.",
    ),
    Kind(
        "secret-in-clear",
        ("warning",),
        "A column contains passwords, tokens or private keys in clear text. Anybody who can read a backup can use them.",
        "Encrypt the values in the EDMS, or keep them outside its database. Until then guard every backup like the secrets themselves.",
    ),
    Kind(
        "excluded",
        ("info",),
        "The table is left out by [exclude] tables. It is empty after a restore.",
    ),
)
