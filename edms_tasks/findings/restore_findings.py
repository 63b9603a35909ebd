"""Findings that say, at the backup, what a restore would refuse or leave out."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "restore-refused",
        ("error",),
        "A restore by this role on this server would be refused, for example because the role may not create databases.",
        "Do what the finding says now, before a restore is needed.",
    ),
    Kind(
        "restore-leaves-out",
        ("warning",),
        "A restore by this role would leave out owners, privileges, event triggers, publications, settings or tablespaces.",
        "Restore as a superuser, or have a superuser run the left-out.sql that the restore writes beside its report.",
    ),
    Kind(
        "restore-not-tried",
        ("warning",),
        "It could not be determined whether a restore would leave anything out, for example because the server is a read-only standby.",
        "Run `edms-backup doctor` again when the cause is gone.",
    ),
    Kind(
        "derived-left-out",
        ("info", "warning"),
        "A change of engine left out a table that `[derived] tables` names, a column of `[derived] columns` that has no equal in the other "
        "engine, or a search index of SQLite over another table. Their form belongs to one engine, and the EDMS makes them again. It is a "
        "warning if no command is named that does.",
        "Run the EDMS's command that makes it again, and name it in `[derived] rebuild`.",
    ),
    Kind(
        "suite-unusable",
        ("error",),
        "A file in the folder `[validate] suites` is not a suite, is empty, or names a table, column or expectation that does not exist. "
        "A restore is refused before it begins.",
        "Correct the suite, or remove it from the folder.",
    ),
    Kind(
        "once-true",
        ("warning", "error"),
        "Rows satisfied a check, domain, index, exclusion constraint, generated column or partition when they were written, and do not "
        "satisfy it now: a function was changed, time has passed, or SQLite was told to ignore it. It is a warning if a restore keeps "
        "the rows; on PostgreSQL it then changes the definition: a check becomes `NOT VALID`, an index is left out, a generated column "
        "becomes a plain one with its values. It is an error if rows no longer belong in their partition, which only a superuser can "
        "restore, and if the definition of an SQLite table was edited after its rows were written. On PostgreSQL, only tables of the "
        "role that backs up are tested, and only objects that call functions of the EDMS or functions that are not immutable.",
        "Correct the function or the rows at the source, or drop the object there.",
    ),
)
