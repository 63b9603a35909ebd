"""The files of an export of paperless-ngx: the rows say under which name each was exported, and under which name paperless keeps it.

Originals and archive versions are compared with the checksums in their rows: MD5 until version 2, SHA-256 since version 3.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveMember
from edms_tasks.legacy.archives import clean_name
from edms_tasks.legacy.not_converted import not_converted
from edms_tasks.legacy.old_backup import FileFolder, ModelRows, Scratch

MANIFEST, OF_ONE = "manifest.json", "-manifest.json"
ABOUT = ("metadata.json", "version.json")
DOCUMENTS, BUNDLES = "documents.document", "documents.sharelinkbundle"
_MADE_AGAIN = ("archive", "thumbnails")
_HASHES = {32: "md5", 64: "sha256"}  # by the digits of the checksum
_EXAMPLES = 5


def rows_of(models: tuple[ModelRows, ...], name: str) -> Iterator[dict[str, Any]]:
    """The rows of a model, one after the other."""
    for one in models:
        if one.model == name and one.path is not None and one.rows:
            with one.path.open(encoding="utf-8") as lines:
                for line in lines:
                    yield json.loads(line)


@dataclass(frozen=True)
class _Wanted:
    """A file that a row names: where it belongs, and its checksum if the row has one."""

    kind: str
    number: int  # of the row
    target: str
    checksum: str


@dataclass
class PaperlessFiles:
    """The files of documents and of bundles of shared links."""

    scratch: Scratch
    models: tuple[ModelRows, ...]
    wanted: dict[str, _Wanted] = field(default_factory=dict)
    _targets: set[str] = field(default_factory=set)
    _not_exported: dict[str, int] = field(default_factory=dict)
    _overwritten: dict[str, int] = field(default_factory=dict)
    _unnamed: list[str] = field(default_factory=list)
    _unusable: list[str] = field(default_factory=list)
    _differ: list[str] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _count: int = 0
    _bytes: int = 0

    def __post_init__(self) -> None:
        for row in rows_of(self.models, DOCUMENTS):
            self._note_document(row)
        for row in rows_of(self.models, BUNDLES):
            kept = row["fields"].get("file_path")
            if isinstance(row.get("pk"), int):
                self._note(row, "share_link_bundles", "__exported_share_link_bundle_name__", kept, None)

    def take(self, member: ArchiveMember) -> None:
        """Put a file of the export where its row says."""
        wanted = self.wanted.pop(member.name, None)
        if wanted is None:
            member.skip()
            if member.name not in (MANIFEST, *ABOUT) and not member.name.endswith(OF_ONE):
                self._others.append(member.name)
            return
        kind = _HASHES.get(len(wanted.checksum), "sha256")
        digest = hashlib.new(kind, usedforsecurity=False)
        if self.scratch.look_only:
            for block in member.blocks():
                digest.update(block)
        else:
            path = member.unpack(self._root, wanted.target)
            if path is None:
                return
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False))
        if wanted.checksum and digest.hexdigest() != wanted.checksum:
            self._differ.append(member.name)
        self._count += 1
        self._bytes += member.size

    def folder(self) -> FileFolder:
        """The folder of media."""
        self._root.mkdir(parents=True, exist_ok=True)
        return FileFolder("media", self._count, self._bytes, None if self.scratch.look_only else self._root)

    def findings(self) -> Iterator[Finding]:
        """What is missing, differs, or has no row."""
        missing = [*self.wanted, *self._unnamed]
        for code, names, what in (
            ("old-files-missing", missing, "Files that the rows name are not in the export."),
            ("old-checksum-differs", self._differ, "Files do not have the checksum that their rows have."),
            (
                "old-member-refused",
                self._unusable,
                "Names of files in the rows lead out of the folder, or are of two documents.",
            ),
        ):
            if names:
                yield make_finding(
                    code, "documents.Document", what, count=len(names), examples=tuple(names[:_EXAMPLES])
                )
        for kind, count in self._not_exported.items():
            yield make_finding(
                "old-files-not-exported", kind, f"The {kind} of documents were not exported.", count=count
            )
        for kind, count in self._overwritten.items():
            what = f"The {kind} of documents were exported under the name of another document's, which has overwritten them."
            yield make_finding("old-files-not-exported", kind, what, count=count)
        yield from not_converted(self._others)

    @property
    def _root(self) -> Path:
        return self.scratch.folder / "files" / "media"

    def _note_document(self, row: dict[str, Any]) -> None:
        fields, number = row["fields"], row.get("pk")
        if not isinstance(number, int):
            return  # a row that has no place: that is said where rows are placed
        original = str(row.get("__exported_file_name__") or "")
        thumbnail = PurePosixPath(str(row.get("__exported_thumbnail_name__") or ""))
        # paperless's own names for documents that have none.
        named = fields.get("filename") or f"{number:07}{PurePosixPath(original).suffix}"
        preview = f"{number:07}{thumbnail.suffix or '.webp'}"
        self._note(row, "originals", "__exported_file_name__", named, fields.get("checksum"))
        archived = fields.get("archive_filename")
        self._note(row, "archive", "__exported_archive_name__", archived, fields.get("archive_checksum"))
        self._note(row, "thumbnails", "__exported_thumbnail_name__", preview, None)

    def _note(self, row: dict[str, Any], kind: str, key: str, kept: Any, checksum: Any) -> None:
        exported = row.get(key)
        if not exported:
            if kept and kind in _MADE_AGAIN:
                self._not_exported[kind] = self._not_exported.get(kind, 0) + 1
            elif kept:
                self._unnamed.append(f"{kind}/{kept}"[:200])
            return
        name, target = clean_name(str(exported)), clean_name(str(kept or exported))
        wanted = _Wanted(kind, int(row["pk"]), f"documents/{kind}/{target}", str(checksum or "").lower())
        if name is None or target is None or wanted.target in self._targets:
            self._unusable.append(str(exported)[:200])
            return
        other = self.wanted.get(name)
        if other is not None and (other.kind != kind or kind not in _MADE_AGAIN):
            self._unusable.append(str(exported)[:200])
            return
        self._targets.add(wanted.target)
        if other is not None:
            # Since 2.20 its names are those of originals without their suffix: that of a.png replaces that of a.pdf. It exports
            # in the order of ids.
            self._overwritten[kind] = self._overwritten.get(kind, 0) + 1
        if other is None or other.number < wanted.number:
            self.wanted[name] = wanted
