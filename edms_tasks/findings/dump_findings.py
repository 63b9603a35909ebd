"""Findings about a dump that an engine's own tools made. One of severity `error` is a loss: the dump, or what came of it, is not whole."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "dump-cut",
        ("error",),
        "The dump ends before its end: inside rows or a statement, or without the line with which pg_dump or SQLite ends every dump. What "
        "comes before is converted.",
        "Use another backup of that time, if there is one. Compare the counts of rows with what you know of the system.",
    ),
    Kind(
        "dump-without-end",
        ("warning",),
        "The format of the dump has no mark at its end, so a dump that was cut between two statements looks like a whole one.",
        "Compare the counts of rows with what you know of the system.",
    ),
    Kind(
        "dump-damaged",
        ("error",),
        "The dump cannot be read to its end, because the file is damaged. What could be read is converted.",
        "Use another copy of the file, if there is one.",
    ),
    Kind(
        "dump-without-rows",
        ("error", "warning"),
        "The dump has definitions of tables, and no rows of them: it was made with --schema-only, or is not whole. As a warning: rows of "
        "some tables were left out when it was made (--exclude-table-data), and these tables come back empty.",
        "Use another backup, if these rows are needed.",
    ),
    Kind(
        "dump-rows-refused",
        ("error",),
        "The database refused rows of a table. PostgreSQL takes all rows of a COPY or none of them.",
        "The message names the first row or value. Correct it in a copy of the dump, and convert that.",
    ),
    Kind(
        "dump-rows-differ",
        ("error",),
        "After the dump was restored, a table has another number of rows than the dump: the table was not created, or a rule or trigger of "
        "the dump added or dropped rows.",
        "See the dump's definitions of that table.",
    ),
    Kind(
        "dump-statement-failed",
        ("error",),
        "The database refused statements of the dump: a constraint that rows violate, or a feature that this server does not have. The "
        "tables they define or change lack these parts.",
        "Restore the dump on a server of its own version: EDMS_BACKUP__RESTORE__DATABASE names one.",
    ),
    Kind(
        "dump-extension-missing",
        ("error",),
        "The dump needs extensions that this server does not have, or that only a superuser may create. Columns and indexes that use them "
        "are missing.",
        "Install the extension's package on the server, or name a superuser's login: EDMS_BACKUP__RESTORE__DATABASE.",
    ),
    Kind(
        "dump-large-objects",
        ("error",),
        "The dump has large objects, which a snapshot cannot hold.",
        "Restore the dump with pg_restore to get at them.",
    ),
    Kind(
        "dump-left-out",
        ("warning",),
        "The dump has statements that are not run, because they are about the whole server, or only a superuser may run them: roles, "
        "tablespaces, event triggers, publications, subscriptions, languages, security labels, default privileges.",
        "Run them by hand after the restore, as far as they are still wanted.",
    ),
    Kind(
        "dump-roles",
        ("info", "warning"),
        "Roles of the dump do not exist on this server, or are not used here: the tables belong to the role of the EDMS, and privileges "
        "of missing roles are left out.",
        "Grant the privileges again after the restore, as far as they are still wanted.",
    ),
    Kind(
        "dump-code",
        ("warning",),
        "The dump has functions, triggers, rules or policies. They were created in the throwaway database, are in the snapshot, and will "
        "run in the EDMS's database after a restore.",
        "If the dump could have been changed by somebody else, read them before you restore the snapshot.",
    ),
    Kind(
        "dump-of-several",
        ("info",),
        "The dump holds several databases. One was converted.",
        "Convert it again with --database NAME for another.",
    ),
    Kind(
        "dump-unchecked",
        ("info",),
        "The format of the dump has no checksum. A changed byte in a value cannot be noticed; the snapshot proves what the dump holds, and "
        "not what the EDMS held.",
    ),
    Kind(
        "dump-log-missing",
        ("warning",),
        "The SQLite file was in WAL mode, and no log (-wal) is beside it. What was in the log when the file was copied is not in it.",
        "If there was a -wal file beside the database, put it beside the copy, and convert it again.",
    ),
    Kind(
        "dump-log-ignored",
        ("error",),
        "A log (-wal or -journal) is beside the SQLite file, and belongs to another state of the database, so SQLite could not use it.",
        "Use a copy of the file and the log that were made together.",
    ),
    Kind(
        "dump-without-edms",
        ("warning",),
        "The EDMS's code does not run, so the tables of the dump are described by the database alone: without models, natural keys, and "
        "fields of files. The rows are exact; a merge can identify them only by keys of the database.",
        "Fix [edms], and convert the dump again before you merge it.",
    ),
    Kind(
        "dump-newer-than-code",
        ("warning",),
        "The dump has migrations that the EDMS's code does not have: it is of a newer version of the EDMS. A restore needs that version, "
        "or `--drop-unknown`.",
        "Convert with the code of that time ([edms] project), or see `edms-backup restore SNAPSHOT --dry-run`.",
    ),
)
