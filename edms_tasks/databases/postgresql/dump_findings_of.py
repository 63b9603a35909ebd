"""The findings on a plain SQL dump: by what it holds, and by what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from edms_tasks.databases.postgresql.dump_loading import LoadedDump
from edms_tasks.databases.postgresql.dump_survey import DatabaseInDump, DumpSurvey, counted
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding, Severity

_NAMED = 5


def findings_of_survey(survey: DumpSurvey, held: DatabaseInDump, damage: str) -> Iterator[Finding]:
    """What the dump lacks, and what of it is not run."""
    if damage:
        yield make_finding("dump-damaged", "dump", f"The dump cannot be read to its end: {damage}")
    for table in held.without_end:
        yield make_finding(
            "dump-cut", table, f"The rows of {table} end without their mark. Those that are whole are read."
        )
    if survey.cut_in:
        yield make_finding("dump-cut", survey.cut_in, f"The dump ends inside {survey.cut_in}.")
    elif survey.is_dump and not survey.is_complete:
        yield make_finding("dump-cut", "dump", "The dump lacks its last line, `-- PostgreSQL database dump complete`.")
    elif not survey.is_dump:
        yield make_finding(
            "dump-cut",
            "dump",
            "The dump does not begin and end with the comments that pg_dump writes, so it is not known whether it is whole.",
        )
    if held.tables and not held.rows:
        is_whole = survey.is_complete and not survey.cut_in and not damage
        message = "" if is_whole else "The dump ends before its rows: it has definitions of tables alone."
        yield make_finding("dump-without-rows", "dump", message, severity="error", count=len(held.tables))
    elif held.rows and (names := held.without_rows):
        if damage or survey.cut_in or held.without_end or not survey.is_complete:
            why = "They may have been in what is missing."
            yield _without_rows(f"The dump is not whole, and has no rows of {counted(names)}. {why}", names, "error")
        elif held.is_of_copies:
            why = "They were left out when it was made (--exclude-table-data)."
            yield _without_rows(f"The dump has no rows of {counted(names)}. {why}", names, "warning")
    for kind, names in held.left_out.items():
        code = "dump-large-objects" if kind == "large object" else "dump-left-out"
        yield make_finding(code, kind, f"Statements that are not run: {counted(names)}.", count=len(names))
    outside = survey.databases.get("")
    for kind, names in outside.left_out.items() if outside is not None and outside is not held else ():
        yield make_finding("dump-left-out", kind, f"Statements that are not run: {counted(names)}.", count=len(names))
    if held.owners:
        owners = sorted(held.owners)
        yield make_finding(
            "dump-roles",
            "owners",
            f"What the dump defines belonged to {counted(owners)}. It belongs to the role of the EDMS now.",
            severity="info",
            count=len(owners),
            examples=tuple(owners[:_NAMED]),
        )
    if held.code:
        yield make_finding(
            "dump-code",
            "definitions",
            f"The dump creates {counted(held.code)}.",
            count=len(held.code),
            examples=tuple(held.code[:_NAMED]),
        )
    if len(survey.names) > 1:
        yield make_finding(
            "dump-of-several",
            "dump",
            f"The dump holds the databases {counted([*survey.names])}.",
            count=len(survey.names),
        )
    yield make_finding("dump-unchecked", "dump")


def _without_rows(message: str, names: list[str], severity: Severity) -> Finding:
    return make_finding(
        "dump-without-rows", "dump", message, severity=severity, count=len(names), examples=tuple(names[:_NAMED])
    )


def findings_of_loading(loaded: LoadedDump, held: DatabaseInDump, there: dict[str, int]) -> Iterator[Finding]:
    """What the database refused, and tables that have another number of rows than the dump."""
    for table, (rows, why) in loaded.lost.items():
        yield make_finding("dump-rows-refused", table, f"Rows of {table} were refused: {why}", count=rows)
    for table, rows in held.rows.items():
        lost = loaded.lost.get(table, (0, ""))[0]
        if (found := there.get(table)) is None:
            if rows and not lost:
                yield make_finding(
                    "dump-rows-differ", table, f"{table} does not exist, and its rows are lost.", count=rows
                )
        elif found != rows - lost:
            yield make_finding(
                "dump-rows-differ",
                table,
                f"The dump has {rows:,} rows of {table}, of which {lost:,} were refused. The database has {found:,}.",
                count=abs(rows - lost - found),
            )
    if loaded.failed:
        yield make_finding(
            "dump-statement-failed",
            "definitions",
            "; ".join(f"{statement}: {why}" for statement, why in loaded.failed[:_NAMED]),
            count=len(loaded.failed),
            examples=tuple(statement for statement, _ in loaded.failed[:_NAMED]),
        )
    if loaded.extensions:
        yield make_finding(
            "dump-extension-missing",
            "extensions",
            "; ".join(f"{statement}: {why}" for statement, why in loaded.extensions[:_NAMED]),
            count=len(loaded.extensions),
        )
    if loaded.without_role:
        yield make_finding(
            "dump-roles",
            "privileges",
            f"Privileges that were not granted: {counted(loaded.without_role)}.",
            severity="warning",
            count=len(loaded.without_role),
        )
