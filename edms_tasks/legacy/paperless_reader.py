"""Exports of paperless-ngx (document_exporter), a folder or a zip: rows as Django serialises them, and the files of the documents.

The manifest says under which name each file was exported, and the rows under which name paperless keeps it. The rows have checksums of
the originals and archive versions: these are compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveMember, ArchiveTrouble, opened
from edms_tasks.legacy.archives import clean_name, is_archive, members, zip_names
from edms_tasks.legacy.backup_metadata import read_metadata
from edms_tasks.legacy.checksum_beside import check_beside
from edms_tasks.legacy.fixture_reader import read_rows
from edms_tasks.legacy.not_converted import not_converted
from edms_tasks.legacy.old_backup import FileFolder, ModelRows, OldBackup, Recognised, Scratch
from edms_tasks.legacy.row_files import RowFiles
from edms_tasks.legacy.source import Source

_MANIFEST, _OF_ONE = "manifest.json", "-manifest.json"
_ABOUT = ("metadata.json", "version.json")
_DOCUMENTS = "documents.document"
_CRYPTO = "__crypto__"
# With a passphrase, these fields are encrypted in the export.
_ENCRYPTED = {
    "paperless_mail.mailaccount": ("password", "refresh_token"),
    "socialaccount.socialtoken": ("token", "token_secret"),
}
_NOT_EXPORTED = (
    "The exporter of paperless-ngx leaves out tables (tasks, sessions, tokens of the API, and others by its version) and the users "
    "consumer and AnonymousUser."
)
_EXAMPLES = 5


@dataclass(frozen=True)
class PaperlessReader:
    """Reads exports of paperless-ngx, version 1.17 and later."""

    format: str = "paperless-ngx"
    title: str = "Export of paperless-ngx (document_exporter)"

    def recognise(self, source: Source) -> Recognised | None:
        """By manifest.json and the version beside it."""
        names = _top_names(source)
        about = next((name for name in _ABOUT if name in names), None)
        if _MANIFEST not in names or about is None or not _is_of_paperless(source):
            return None
        return Recognised(
            self.format, self.title, "certain", (_MANIFEST, about, "rows of documents.document or paperless_mail")
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
        models = rows.finish()
        files = _Files(scratch, _rows_of(models, _DOCUMENTS))
        trouble = ArchiveTrouble(source.path.name)
        for member in members(source, trouble):
            files.take(member)
        found += [*trouble.findings(), *files.findings(), *_encrypted(about, models)]
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


@dataclass(frozen=True)
class _Wanted:
    """A file that a row names: where it belongs, and its MD5 if the row has one."""

    target: str
    md5: str


@dataclass
class _Files:
    """The files of the documents."""

    scratch: Scratch
    documents: Iterator[dict[str, Any]]
    wanted: dict[str, _Wanted] = field(default_factory=dict)
    _not_exported: dict[str, int] = field(default_factory=dict)
    _unusable: list[str] = field(default_factory=list)
    _differ: list[str] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _count: int = 0
    _bytes: int = 0

    def __post_init__(self) -> None:
        for row in self.documents:
            self._note(row)

    def take(self, member: ArchiveMember) -> None:
        """Put a file of the export where its row says."""
        wanted = self.wanted.pop(member.name, None)
        if wanted is None:
            member.skip()
            if member.name not in (_MANIFEST, *_ABOUT) and not member.name.endswith(_OF_ONE):
                self._others.append(member.name)
            return
        digest = hashlib.md5(usedforsecurity=False)
        if self.scratch.look_only:
            for block in member.blocks():
                digest.update(block)
        else:
            path = member.unpack(self._root, wanted.target)
            if path is None:
                return
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "md5")
        if wanted.md5 and digest.hexdigest() != wanted.md5:
            self._differ.append(member.name)
        self._count += 1
        self._bytes += member.size

    def folder(self) -> FileFolder:
        """The folder of media."""
        self._root.mkdir(parents=True, exist_ok=True)
        return FileFolder("media", self._count, self._bytes, None if self.scratch.look_only else self._root)

    def findings(self) -> Iterator[Finding]:
        """What is missing, differs, or has no row."""
        if self.wanted:
            yield make_finding(
                "old-files-missing",
                "documents.Document",
                "Files that the rows name are not in the export.",
                count=len(self.wanted),
                examples=tuple([*self.wanted][:_EXAMPLES]),
            )
        if self._differ:
            yield make_finding(
                "old-checksum-differs",
                "documents.Document",
                "Files do not have the checksum that their rows have.",
                count=len(self._differ),
                examples=tuple(self._differ[:_EXAMPLES]),
            )
        if self._unusable:
            yield make_finding(
                "old-member-refused",
                "documents.Document",
                "Names of files in the rows lead out of the folder, or are of two documents.",
                count=len(self._unusable),
                examples=tuple(self._unusable[:_EXAMPLES]),
            )
        for kind, count in self._not_exported.items():
            yield make_finding(
                "old-files-not-exported", kind, f"The {kind} of documents were not exported.", count=count
            )
        yield from not_converted(self._others)

    @property
    def _root(self) -> Path:
        return self.scratch.folder / "files" / "media"

    def _note(self, row: dict[str, Any]) -> None:
        fields, number = row["fields"], row.get("pk")
        if not isinstance(number, int):
            return
        thumbnail = str(row.get("__exported_thumbnail_name__") or "")
        original = str(fields.get("filename") or row.get("__exported_file_name__") or "")
        parts = (
            ("originals", "__exported_file_name__", original, fields.get("checksum")),
            ("archive", "__exported_archive_name__", fields.get("archive_filename"), fields.get("archive_checksum")),
            ("thumbnails", "__exported_thumbnail_name__", f"{number:07}{Path(thumbnail).suffix or '.webp'}", None),
        )
        for kind, key, kept, md5 in parts:
            exported = row.get(key)
            if not exported:
                if kept:
                    self._not_exported[kind] = self._not_exported.get(kind, 0) + 1
                continue
            name, target = clean_name(str(exported)), clean_name(str(kept or exported))
            if name is None or target is None or name in self.wanted:
                self._unusable.append(str(exported)[:200])
                continue
            self.wanted[name] = _Wanted(f"documents/{kind}/{target}", str(md5 or ""))


def _top_names(source: Source) -> frozenset[str]:
    """The names at the top of a folder or zip; none for anything else."""
    if source.is_folder:
        return frozenset(path.name for path in source.path.iterdir() if path.is_file())
    return zip_names(source) if is_archive(source) == "zip" else frozenset()


def _is_of_paperless(source: Source) -> bool:
    """Whether the manifest has rows of paperless's models at its beginning or end."""
    for member in members(source, ArchiveTrouble("")):
        if member.name == _MANIFEST:
            text = member.text()
            return b'"documents.' in text or b'"paperless_mail.' in text or text.strip() == b"[]"
    return False


def _read_manifests(source: Source, rows: RowFiles) -> tuple[dict[str, Any], list[Finding]]:
    """Add the rows of all manifests; returns what the export says of itself, and what is wrong."""
    about: dict[str, Any] = {}
    found: list[Finding] = []
    trouble = ArchiveTrouble(source.path.name)
    for member in members(source, trouble):
        if member.name in _ABOUT:
            said, unreadable = read_metadata(member.text(), member.name)
            about |= said
            found += unreadable
        elif member.name == _MANIFEST or member.name.endswith(_OF_ONE):
            with opened(member) as stream:
                found += read_rows(stream, "JSON", member.name, rows, checked=trouble.is_checked)
    # An export with split manifests has one for each document: one sentence on all of them is enough.
    unproved = [one for one in found if one.code == "old-unproved"]
    return about, [one for one in found if one.code != "old-unproved"] + unproved[:1]


def _rows_of(models: tuple[ModelRows, ...], name: str) -> Iterator[dict[str, Any]]:
    for one in models:
        if one.model == name and one.path is not None and one.rows:
            with one.path.open(encoding="utf-8") as lines:
                for line in lines:
                    yield json.loads(line)


def _encrypted(about: dict[str, Any], models: tuple[ModelRows, ...]) -> Iterator[Finding]:
    """Values that the export has encrypted with a passphrase."""
    if _CRYPTO not in about:
        return
    for model, names in _ENCRYPTED.items():
        count = sum(any(row["fields"].get(name) for name in names) for row in _rows_of(models, model))
        if count:
            yield make_finding(
                "old-values-encrypted",
                model,
                f"{', '.join(names)} of {count:,} rows are encrypted with the export's passphrase. They are in the snapshot as they are.",
                count=count,
            )
