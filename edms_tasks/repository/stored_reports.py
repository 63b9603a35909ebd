"""Reports of runs: `reports/<first 2 digits>/<64 digits>`, named and stored like objects, encrypted where the repository is.

The entry of a run in the log names its report by SHA-256 and size (`facts`, `report`), so a report can be neither changed nor replaced
without its being noticed. Sweeps leave them alone; only a prune with `keep_reports` removes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from edms_tasks.encryption.codec import Codec
from edms_tasks.errors import DamagedRepository, RepositoryForbidden
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.stored_objects import StoredObjects

_LARGEST = 256 * 1024 * 1024
FOLDER = "reports"


@dataclass(frozen=True)
class ReportRefs:
    """The two parts of a report: for machines, and the page for people."""

    json: ObjectRef
    page: ObjectRef

    def as_facts(self) -> dict[str, object]:
        """What the entry in the log says."""
        return {"json": self.json.model_dump(mode="json"), "page": self.page.model_dump(mode="json")}


@dataclass(frozen=True)
class RemovedReports:
    """The result of removing old reports."""

    removed: int = 0
    bytes: int = 0
    refused: int = 0


def report_of(entry: LogEntry) -> ReportRefs | None:
    """The report that an entry of the log names; None if it names none that can be one."""
    said = entry.facts.get("report")
    if not isinstance(said, dict):
        return None
    try:
        refs = ReportRefs(ObjectRef.model_validate(said.get("json")), ObjectRef.model_validate(said.get("page")))
    except ValidationError:
        return None
    return refs if refs.json.size <= _LARGEST and refs.page.size <= _LARGEST else None


class StoredReports:
    """The reports on a backend."""

    def __init__(self, backend: Backend, codec: Codec) -> None:
        self._backend = backend
        self._objects = StoredObjects(backend, codec, folder=FOLDER)

    def write(self, data: bytes, page: bytes) -> ReportRefs:
        """Store a report; returns what the log is to name."""
        return ReportRefs(self._objects.put_new(data), self._objects.put_new(page))

    def read(self, ref: ObjectRef) -> bytes:
        """A part of a report, compared with its SHA-256.

        Raises:
            DamagedRepository: it is missing or was altered.
            RepositorySealed: there is no key here to read it.
        """
        try:
            return self._objects.read(ref)
        except DamagedRepository as damage:
            raise DamagedRepository(
                "A report in the repository is missing or damaged.",
                where=damage.where,
                why=damage.why,
                fix="Take it from a copy of the repository; `edms-backup log` says which others are missing.",
            ) from damage

    def names(self) -> dict[str, int]:
        """The files that are there, with their sizes."""
        return dict(self._backend.names(FOLDER))

    def stored_names(self, refs: ReportRefs) -> tuple[str, str]:
        """The names of the two files of a report."""
        return self._objects.stored_name(refs.json), self._objects.stored_name(refs.page)

    def write_again(self, entries: Iterable[LogEntry]) -> int:
        """Store every report that is there again, as for another key; returns how many."""
        there, written = self.names(), 0
        for entry in entries:
            if (refs := report_of(entry)) is None:
                continue
            for ref, name in zip((refs.json, refs.page), self.stored_names(refs), strict=True):
                if name in there:
                    self._objects.write_again(ref)
            written += 1
        return written

    def of_before(self, entries: Iterable[LogEntry], oldest: datetime) -> list[str]:
        """The names of the files of reports that only entries from before a time name, and that are there."""
        there = self.names()
        old: set[str] = set()
        young: set[str] = set()
        for entry in entries:
            if (refs := report_of(entry)) is not None:
                (old if entry.at < oldest else young).update(self.stored_names(refs))
        return sorted((old - young) & there.keys())

    def remove(self, names: Iterable[str]) -> RemovedReports:
        """Remove files; what the store refuses to remove stays."""
        there = self.names()
        removed = total = refused = 0
        for name in names:
            try:
                self._backend.remove(name)
            except RepositoryForbidden:
                refused += 1
                continue
            removed, total = removed + 1, total + there.get(name, 0)
        return RemovedReports(removed, total, refused)
