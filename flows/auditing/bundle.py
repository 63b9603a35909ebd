"""Bundle the evidence of a period for an inspection: reports, log, public keys, and how to check them with standard tools."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edms_tasks.durable import NewFile, keep_private, private_folder
from edms_tasks.errors import CommandError, DamagedRepository
from edms_tasks.evidence.run_report import report_in
from edms_tasks.lineage.find_snapshot import state_of
from edms_tasks.report.page import render
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.stored_reports import report_of
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.audit_trail import missing_reports
from flows.auditing.period import Gaps, Period, gaps, period_from
from flows.auditing.runs import approvers_of, what_it_touched, whose_run

_HOW_TO_CHECK = Path(__file__).with_name("VERIFY.md")


@dataclass(frozen=True)
class EvidenceBundle:
    """The bundle that was written."""

    place: Path
    period: Period
    runs: int
    reports: int
    gaps: Gaps
    problems: tuple[str, ...]
    witness: str
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": not self.problems,
            "place": str(self.place),
            "from": str(self.period.first),
            "to": str(self.period.last),
            "runs": self.runs,
            "reports": self.reports,
            "days_without_verified_snapshot": list(self.gaps.unverified),
            "days_without_proof": list(self.gaps.unproved),
            "problems": list(self.problems),
            "witness": self.witness,
            "notes": list(self.notes),
        }


def bundle_evidence(settings: Settings, first: str, last: str, out: Path, *, pdf: bool = False) -> EvidenceBundle:
    """Write the evidence of a period into a new folder, or into a file that ends in .zip.

    Raises:
        CommandError: the dates are none, or the place is not new.
        RepositorySealed: the reports are encrypted, and the recovery key is not here.
        ToolMissing: PDFs are asked for, and the library for them is not installed.
    """
    zone = settings.retention.timezone
    period = period_from(first, last, zone, datetime.now(ZoneInfo(zone)).date())
    _require_new(out)
    if pdf:
        from edms_tasks.report.pdf import require_pdf

        require_pdf()
    repository = Repository.open(settings.repository)
    repository.require_readable()
    with run_folder(settings.workdir, "evidence") as scratch:
        folder = private_folder(scratch / f"evidence-{period.first}-{period.last}")
        made = _Bundling(settings, repository, period, folder, pdf=pdf).written(out)
        keep_private(folder)
        _hand_over(folder, out)
    return made


class _Bundling:
    """A bundle in the making."""

    def __init__(self, settings: Settings, repository: Repository, period: Period, folder: Path, *, pdf: bool) -> None:
        self._settings, self._repository, self._period, self._folder = settings, repository, period, folder
        self._pdf = pdf
        self._problems: list[str] = []

    def written(self, out: Path) -> EvidenceBundle:
        checked = self._repository.log.check()
        runs = [entry for entry in checked.entries if self._period.has(entry)]
        state = state_of(self._settings, self._repository)
        lost = missing_reports(self._repository, checked.entries, self._period.has)
        self._problems += [*checked.problems, *state.problems, *lost]
        edms = state.own.key or self._settings.edms.id
        whose = whose_run(checked.entries, state.own.owner)
        if edms is None:
            self._problems.append(
                "It is not known which EDMS this is, and the repository has several: the gaps are those of all together. "
                "Set [edms] id, and make the bundle again."
            )
        own = [entry for entry in runs if edms is None or whose(entry) == edms]
        # What proves a snapshot that was converted from an old backup proves no backup of the EDMS.
        converted = {*state.own.converted}
        log = self._repository.log
        found = gaps(self._period, [entry for entry in own if entry.snapshot not in converted and log.proves(entry)])
        self._log(checked.entries)
        rows = [self._run(entry, whose(entry), edms) for entry in runs]
        witness = str(checked.last or "")
        page = render(
            "evidence.html.j2",
            period=str(self._period),
            zone=str(self._period.zone),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            repository={"id": self._repository.identity, "place": self._repository.display},
            edms=edms or "",
            runs=rows,
            gaps=found,
            problems=self._problems,
            witness=witness,
            version=metadata.version("edms-backup"),
        )
        self._write("index.html", page.encode("utf-8", "backslashreplace"))
        self._write("PERIOD", self._period.bounds.encode())
        self._write("WITNESS", f"{witness}\n".encode())
        self._write("VERIFY.md", _HOW_TO_CHECK.read_bytes())
        self._sums()
        return EvidenceBundle(
            place=out,
            period=self._period,
            runs=len(runs),
            reports=sum(bool(row["report"]) for row in rows),
            gaps=found,
            problems=tuple(self._problems),
            witness=witness,
        )

    def _log(self, entries: Sequence[LogEntry]) -> None:
        """The entries from the last before the period to the last of the log, as they are.

        So the chain leads from outside the period to the witness, and nothing can be cut off at its beginning.
        """
        for name in ("log", "signatures", "keys"):
            (self._folder / name).mkdir()
        first = self._period.last_before(entries)
        for number, data in self._repository.log.files(first):
            self._write(f"log/{number:012d}.json", data)
        for entry in entries:
            if entry.number >= first and entry.signer:
                self._key(entry.signer)
                self._write(f"signatures/{entry.number:012d}.message", entry.message)
                self._write(f"signatures/{entry.number:012d}.sig", _bytes_of(entry.signature))

    def _key(self, signer: str) -> None:
        """The public key of a signer, in the format of openssl; its name is the key itself."""
        try:
            public = Ed25519PublicKey.from_public_bytes(_bytes_of(signer))
        except ValueError:
            return  # the log's check has said so
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._write(f"keys/{signer}.pem", pem)

    def _run(self, entry: LogEntry, whose: str | None, edms: str | None) -> dict[str, Any]:
        """The row of a run in the index; its report is written. `whose`: its EDMS; `edms`: the one the bundle is about."""
        row: dict[str, Any] = {
            "number": entry.number,
            "at": entry.at.isoformat(timespec="seconds"),
            "event": entry.event,
            "outcome": entry.outcome,
            "by": f"{entry.facts.get('by') or entry.user}, {entry.machine}",
            "reason": str(entry.facts.get("reason") or ""),
            "approved": ", ".join(approvers_of(entry)),
            "snapshot": (entry.snapshot or "")[:12],
            "edms": whose or "",
            "own": whose is None or edms is None or whose == edms,
            "touched": what_it_touched(entry),
            "signed": bool(entry.signer) and not self._repository.log.why_unsigned(entry),
            "verdict": str(entry.facts.get("what") or entry.facts.get("verdict") or ""),
            "report": "",
        }
        if (refs := report_of(entry)) is None:
            return row
        name = f"reports/{entry.number:012d}-{re.sub(r'[^a-z0-9-]', '_', entry.event)}"
        (self._folder / "reports").mkdir(exist_ok=True)
        try:
            data, page = self._repository.reports.read(refs.json), self._repository.reports.read(refs.page)
        except DamagedRepository as damage:
            self._problems.append(f"Entry {entry.number} ({entry.event}): {damage.what} {damage.why}")
            return row
        self._write(f"{name}.json", data)
        self._write(f"{name}.html", page)
        if self._pdf:
            from edms_tasks.report.pdf import pdf_of

            self._write(f"{name}.pdf", pdf_of(page.decode("utf-8", "replace")))
        row["report"], row["verdict"] = f"{name}.html", report_in(data).get("verdict") or row["verdict"]
        return row

    def _sums(self) -> None:
        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        lines = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(self._folder)}\n" for path in files
        ]
        self._write("SHA256SUMS", "".join(lines).encode())

    def _write(self, name: str, data: bytes) -> None:
        (self._folder / name).write_bytes(data)


def _bytes_of(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""  # a forged entry; the log's check has said so


def _require_new(out: Path) -> None:
    taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if taken or (out.suffix == ".zip" and out.is_dir()):
        raise CommandError(
            "The place for the evidence is not new.",
            where=str(out),
            fix="Name a new folder, or a new file that ends in .zip.",
        )


def _hand_over(folder: Path, out: Path) -> None:
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        if out.suffix != ".zip":
            keep_private(private_folder(out))
            shutil.copytree(folder, out, dirs_exist_ok=True)
            keep_private(out)
            return
        whole = folder.with_name(f"{folder.name}.zip")
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(folder.rglob("*")):
                packed.write(path, Path(out.stem) / path.relative_to(folder))
        with whole.open("rb") as source, NewFile(out) as file:
            shutil.copyfileobj(source, file)
            file.put_in_place()
    except OSError as error:
        raise CommandError(
            "The evidence cannot be written.",
            where=str(out),
            why=error.strerror or str(error),
            fix="Name a place with enough room, in a folder that this user can write.",
        ) from error
