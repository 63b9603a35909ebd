"""Exports of paperless-ngx (document_exporter), a folder or a zip: rows as Django serialises them, and the files of the documents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveTrouble, opened
from edms_tasks.legacy.archives import is_archive, members, zip_names
from edms_tasks.legacy.backup_metadata import read_metadata
from edms_tasks.legacy.checksum_beside import check_beside
from edms_tasks.legacy.fixture_reader import read_rows
from edms_tasks.legacy.old_backup import OldBackup, Recognised, Scratch
from edms_tasks.legacy.paperless_files import ABOUT, MANIFEST, OF_ONE, PaperlessFiles
from edms_tasks.legacy.paperless_passphrase import decrypt_values
from edms_tasks.legacy.row_files import RowFiles
from edms_tasks.legacy.source import Source

_NOT_EXPORTED = (
    "The exporter of paperless-ngx leaves out tables (tasks, sessions, tokens of the API, and others by its version) and the users "
    "consumer and AnonymousUser."
)


@dataclass(frozen=True)
class PaperlessReader:
    """Reads exports of paperless-ngx, version 1.17 and later."""

    format: str = "paperless-ngx"
    title: str = "Export of paperless-ngx (document_exporter)"

    def recognise(self, source: Source) -> Recognised | None:
        """By manifest.json and the version beside it."""
        names = _top_names(source)
        about = next((name for name in ABOUT if name in names), None)
        if MANIFEST not in names or about is None or not _is_of_paperless(source):
            return None
        return Recognised(
            self.format, self.title, "certain", (MANIFEST, about, "rows of documents.document or paperless_mail")
        )

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Read the rows, then the files that they name."""
        recognised = self.recognise(source)
        assert recognised is not None
        folder = scratch.folder / "rows"
        folder.mkdir(exist_ok=True)
        rows = RowFiles(Scratch(folder))  # the documents' rows are needed to find the files, even for a look
        about, found = _read_manifests(source, rows)
        found += check_beside(source)[0]
        models, encrypted = decrypt_values(about, rows.finish(), scratch.passphrase)
        files = PaperlessFiles(scratch, models)
        trouble = ArchiveTrouble(source.path.name)
        for member in members(source, trouble):
            files.take(member)
        found += [*trouble.findings(), *files.findings(), *encrypted]
        if scratch.look_only:
            models = tuple(replace(one, path=None) for one in models)
        return OldBackup(
            recognised,
            facts={"paperless-ngx version": str(about.get("version", "not recorded"))[:40]},
            rows=models,
            folders=(files.folder(),),
            findings=tuple(found),
            inexact=(_NOT_EXPORTED,),
            cut_times=True,
        )


def _top_names(source: Source) -> frozenset[str]:
    """The names at the top of a folder or zip; none for anything else."""
    if source.is_folder:
        return frozenset(path.name for path in source.path.iterdir() if path.is_file())
    return zip_names(source) if is_archive(source) == "zip" else frozenset()


def _is_of_paperless(source: Source) -> bool:
    """Whether the manifest has rows of paperless's models at its beginning or end."""
    for member in members(source, ArchiveTrouble("")):
        if member.name == MANIFEST:
            text = member.text()
            return b'"documents.' in text or b'"paperless_mail.' in text or text.strip() == b"[]"
    return False


def _read_manifests(source: Source, rows: RowFiles) -> tuple[dict[str, Any], list[Finding]]:
    """Add the rows of all manifests; returns what the export says of itself, and what is wrong."""
    about: dict[str, Any] = {}
    found: list[Finding] = []
    trouble = ArchiveTrouble(source.path.name)
    for member in members(source, trouble):
        if member.name in ABOUT:
            said, unreadable = read_metadata(member.text(), member.name)
            about |= said
            found += unreadable
        elif member.name == MANIFEST or member.name.endswith(OF_ONE):
            with opened(member) as stream:
                found += read_rows(stream, "JSON", member.name, rows, checked=trouble.is_checked)
    # An export with split manifests has one for each document: one sentence on all of them is enough.
    unproved = [one for one in found if one.code == "old-unproved"]
    return about, [one for one in found if one.code != "old-unproved"] + unproved[:1]
