"""Compare a paperless-ngx with what came back from its document_exporter's files, row by row, with no code of the product.

    python exported_rows.py BEFORE.sqlite3 AFTER.sqlite3

What the exporter cannot keep is left out of the comparison by name: times below milliseconds, tables that it does not write, users that
it leaves out, ids of rows between two tables. Everything else must be equal to the last column.
"""

import re
import sqlite3
import sys

# documents/management/commands/document_exporter.py, what is not in `manifest_key_to_object_query`.
NOT_EXPORTED = (
    "account_",
    "auth_user_",
    "authtoken_",
    "auditlog_",
    "django_",
    "documents_paperlesstask",
    "documents_processedmail",
    "documents_workflowrun",
    "paperless_mail_processedmail",
)
WITHOUT = {
    "auth_user": "username NOT IN ('consumer', 'AnonymousUser')",
    "documents_uisettings": "user_id IN (SELECT id FROM auth_user WHERE username NOT IN ('consumer', 'AnonymousUser'))",
}
EXPORTED_ALL_THE_SAME = ("django_content_type", "auth_user_groups", "auth_user_user_permissions", "auditlog_logentry")
TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3})\d{3}")


def main() -> int:
    """Print what differs; 0 if nothing does."""
    before, after = (sqlite3.connect(f"file:{path}?mode=ro", uri=True) for path in sys.argv[1:])
    tables = [
        name
        for (name,) in before.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    compared = rows = different = 0
    for name in sorted(tables):
        if name.startswith(NOT_EXPORTED) and name not in EXPORTED_ALL_THE_SAME:
            continue
        here, there = (_rows(connection, name) for connection in (before, after))
        compared, rows = compared + 1, rows + len(here)
        if here != there:
            different += 1
            lost, new = [row for row in here if row not in there], [row for row in there if row not in here]
            sys.stdout.write(
                f"different: {name}: {len(here)} rows, {len(there)} came back; {str(lost[:2])[:300]} {str(new[:2])[:300]}\n"
            )
    sys.stdout.write(f"{compared} tables, {rows} rows: {different} tables differ\n")
    return 1 if different or not rows else 0


def _rows(connection: sqlite3.Connection, name: str) -> list[str]:
    columns = [(row[1], row[2]) for row in connection.execute(f'PRAGMA table_info("{name}")')]
    references = {row[3] for row in connection.execute(f'PRAGMA foreign_key_list("{name}")')}
    names = [column for column, _ in columns]
    is_between = len(names) == 3 and len(references) == 2 and names[0] == "id"
    kept = names[1:] if is_between else names
    listed = ", ".join(f'"{column}"' for column in kept)
    cut = {column for column, kind in columns if kind.lower() == "datetime"}
    rows = connection.execute(f'SELECT {listed} FROM "{name}" WHERE {WITHOUT.get(name, "1")}')
    return sorted(
        repr([_cut(value) if column in cut else value for column, value in zip(kept, row, strict=True)]) for row in rows
    )


def _cut(value: object) -> object:
    """A time to the millisecond; SQLite's text of one without any has no fraction."""
    text = TIME.sub(r"\1", str(value)) if value is not None else ""
    return text.removesuffix(".000")


if __name__ == "__main__":
    sys.exit(main())
