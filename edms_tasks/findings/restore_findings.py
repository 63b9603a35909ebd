"""Findings that say, at the backup, what a restore would refuse or leave out."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "restore-refused",
        ("error",),
        "A restore by this role on this server would be refused, for example because the role may not create databases.",
        "Do what the finding says now, not on the day of need.",
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
        "suite-unusable",
        ("error",),
        "A file in the folder `[validate] suites` is not a suite, is empty, or names a table, column or expectation that does not exist. "
        "A restore is refused before it begins.",
        "Correct the suite, or remove it from the folder.",
    ),
    Kind(
        "once-true",
        ("warning", "error"),
        "A check, domain, index, exclusion constraint, generated column or partition was true for its rows when they were written and is "
        "not now: a function was changed, or time has passed. A warning where a restore brings a check back `NOT VALID`, leaves an index "
        "out, or brings a generated column back as a plain one with its values. A restore by a superuser loads generated columns and "
        "partitions as they were written; by another role, one whose rows belong in no such partition any more is refused, which is an "
        "error. Asked only of tables of the role that backs up, and only of what calls "
        "functions of the EDMS or functions that are not immutable.",
        "Correct the function or the rows at the source, or drop the object there.",
    ),
)
