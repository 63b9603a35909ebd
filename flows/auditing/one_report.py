"""One entry of the log, with the report of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.errors import CommandError, DamagedRepository
from edms_tasks.evidence.run_report import report_in
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.stored_reports import report_of
from edms_tasks.settings import Settings


@dataclass(frozen=True)
class FoundReport:
    """An entry and its report; both empty if the entry names none."""

    entry: LogEntry
    report: Mapping[str, Any]
    page: str

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {"entry": self.entry.model_dump(mode="json"), "report": dict(self.report) or None}


def read_report(settings: Settings, number: int) -> FoundReport:
    """The entry of that number, and its report, both checked.

    Raises:
        CommandError: there is no such entry.
        DamagedRepository: the entry is not signed as it must be, or the report is missing or was altered.
        RepositorySealed: the report is encrypted, and the recovery key is not here.
    """
    repository = Repository.open(settings.repository)
    entry = repository.log.entry(number)
    if entry is None or entry.number != number:
        last = repository.log.last()
        raise CommandError(
            "There is no such entry in the log.",
            where=f"{repository.display}: entry {number}",
            why=f"The last one is {last.number}." if last else "The log is empty.",
            fix="`edms-backup log` lists them.",
        )
    if why := repository.log.why_unsigned(entry):
        raise DamagedRepository(
            f"Entry {number} of the log is not to be trusted.",
            where=repository.display,
            why=why,
            fix="`edms-backup log` checks the whole log.",
        )
    refs = report_of(entry)
    if refs is None:
        return FoundReport(entry, {}, "")
    page = repository.reports.read(refs.page).decode("utf-8", "replace")
    return FoundReport(entry, report_in(repository.reports.read(refs.json)), page)


def write_report(found: FoundReport, html: Path | None, pdf: Path | None) -> tuple[Path, ...]:
    """Write the page into files that only their owner can read; returns those that were written.

    Raises:
        CommandError: there is no report, or a file cannot be written, or is of another kind.
    """
    from edms_tasks.durable import write_durably
    from edms_tasks.report.output_files import HTML, PDF, require_no_other

    if (html is not None or pdf is not None) and not found.page:
        raise CommandError("This entry has no report.", where=f"entry {found.entry.number}", fix="Choose another.")
    for path, kind, option in ((html, HTML, "--html"), (pdf, PDF, "--pdf")):
        if path is not None:
            require_no_other(path, kind, option)
    written = []
    try:
        if html is not None:
            write_durably(html, found.page)
            written.append(html)
        if pdf is not None:
            from edms_tasks.report.pdf import pdf_of

            write_durably(pdf, pdf_of(found.page))
            written.append(pdf)
    except OSError as error:
        raise CommandError(
            "The report cannot be written.",
            where=str(error.filename or html or pdf),
            why=error.strerror or str(error),
            fix="Name a file in a folder that this user can write.",
        ) from error
    return tuple(written)
