"""Findings about the database itself and how the EDMS's code describes it."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "model-without-table",
        ("info", "warning"),
        "A model names a table that the database does not have. Everything that exists is in the snapshot.",
        "Run the EDMS's migrations, or correct the model's db_table.",
    ),
    Kind(
        "database-damaged",
        ("error",),
        "SQLite's own `quick_check` finds the database file damaged. What can be read is in the snapshot.",
        "Copy the file before anything else writes to it. `sqlite3 FILE .recover` saves rows; or restore an older snapshot.",
    ),
    Kind("table-without-model", ("info",), "No model has this table. It is in the snapshot."),
    Kind(
        "column-missing",
        ("warning",),
        "A model has a column that its table lacks. Everything that exists is in the snapshot.",
        "Run the EDMS's migrations.",
    ),
    Kind(
        "column-without-field",
        ("warning",),
        "A table has a column that its model does not know. It is in the snapshot.",
    ),
    Kind(
        "sensitive-column-unknown",
        ("warning",),
        "`[validate] sensitive` names a column that the EDMS does not have, so nothing is hidden by this name. Values of the column that "
        "is meant may be in reports and errors.",
        "Correct the name, or remove it if the EDMS no longer has the column.",
    ),
    Kind(
        "unapplied-migrations",
        ("warning", "error"),
        "The EDMS's code has migrations that the database does not. The database is backed up as it is, unless the settings refuse it.",
        "Run `manage.py migrate`.",
    ),
    Kind(
        "unknown-migrations",
        ("warning",),
        "The database records migrations that the EDMS's code does not have. Either they were squashed, or the code is older than the "
        "database. They are backed up and restored as they are.",
        "If the code is older, install the version that the database belongs to. Remove what is left of squashed migrations with "
        "`manage.py migrate APP --prune`.",
    ),
    Kind(
        "other-database",
        ("error",),
        "The EDMS has another database. Its rows are not in this snapshot, and neither are those of the models that routers keep there.",
        "Back it up with a settings file of its own ([edms] database), or with its own tools. Then say so here: [exclude] databases.",
    ),
    Kind(
        "other-database-excluded",
        ("info",),
        "The settings leave this database of the EDMS out on purpose ([exclude] databases). Its rows are not in this snapshot.",
        "Check that it is backed up in another way, or that nothing in it is to be kept.",
    ),
    Kind(
        "table-of-another-database",
        ("info",),
        "The table is empty here, because the EDMS's routers keep the rows of its model in another database. Generic references to these "
        "rows are counted as `dangling-reference`: do not delete the rows that have them.",
    ),
    Kind(
        "router-failed",
        ("error",),
        "A database router failed when it was asked where a model's rows are. If they are in another database, they are not in the "
        "snapshot.",
        "Let the router's db_for_read, db_for_write and allow_migrate answer without an instance or a request.",
    ),
    Kind(
        "foreign-table",
        ("warning",),
        "The rows of a foreign table are on another server and are not in the snapshot. Its definition is.",
        "Back up the other server too.",
    ),
    Kind(
        "large-objects",
        ("error",),
        "PostgreSQL's large objects are not in the snapshot.",
        "Django never creates them. Copy them with `pg_dump --large-objects`.",
    ),
    Kind(
        "extension-rows-not-readable",
        ("warning",),
        "A table of an extension has rows of users (as pg_cron's `job` does). This role may not read all of them. Those are not in the "
        "snapshot.",
        "Grant the role SELECT on the table, and BYPASSRLS where the table has row security.",
    ),
    Kind(
        "invalid-index",
        ("warning",),
        "The index is invalid, as after a failed CREATE INDEX CONCURRENTLY. pg_dump leaves it out: it is not restored.",
        "Rebuild it with REINDEX INDEX, or drop it.",
    ),
    Kind(
        "table-cannot-be-read",
        ("error",),
        "An index, exclusion constraint or statistics object calls an SQL function that names a missing object. So no query can read "
        "its table, not even the EDMS's. The rows are in the snapshot, read by COPY. A restore leaves the object out.",
        "Correct the function, or drop the object.",
    ),
    Kind(
        "fails-in-maintenance",
        ("warning",),
        "PostgreSQL 17 and newer cannot build, refresh or analyse it: a function that it calls names something without its schema. A "
        "restore creates it anyway; REINDEX, REFRESH and ANALYZE fail on the live system too.",
        "Name the schema in the function's body, or use ALTER FUNCTION … SET search_path = the schemas it needs.",
    ),
    Kind("virtual-table", ("info",), "A virtual table is restored from its definition and its shadow tables."),
    Kind(
        "needs-the-edms",
        ("info",),
        "The definition uses functions or collations that only the EDMS's own connections have (Django's REGEXP, date parts). "
        "Rows and definitions are restored exactly; the EDMS's interpreter builds indexes over such functions, and computes columns when "
        "a merge writes rows. A merge is refused if an index or an order of rows needs them.",
        "Keep the code that registers them: a restore needs it.",
    ),
    Kind(
        "computed-column-not-read",
        ("info",),
        "A virtual column cannot be read: on SQLite only the EDMS's functions can compute it, on PostgreSQL computing it fails for "
        "some row. It is NULL in the snapshot and restored from its definition.",
    ),
    Kind(
        "unknown-to-the-edms",
        ("warning", "error"),
        "Not even the EDMS's own connection has the functions or collations that the definition uses. It is an error if a restore "
        "would have to compute an index with them.",
        "Let the EDMS's code register it on every connection, or drop the index or table.",
    ),
    Kind(
        "search-index-checked",
        ("info",),
        "The search index passed SQLite's own check. After a restore it must pass again.",
    ),
    Kind(
        "search-index-inconsistent",
        ("warning",),
        "The search index does not match its rows: searches miss rows or find others. It is restored as it is.",
        "Rebuild it in the EDMS.",
    ),
)
