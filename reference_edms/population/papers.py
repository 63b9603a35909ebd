"""Makes documents and what hangs on them: files, revisions, links, comments, attachments."""

from __future__ import annotations

import itertools
import random
import uuid
from typing import Any

from documents.models import (
    Document,
    DocumentAttachment,
    DocumentComment,
    DocumentDependency,
    DocumentSource,
    DocumentType,
    DocumentVersion,
)
from population import awkward
from population.clock import Clock
from population.files import FileWriter
from population.rows import Writer
from users.models import User

_TITLES = ("Cleaning of vessels", "Reinigung", "逸脱管理", "Calibration", "Change control")
_STATUS_WEIGHTS = {
    Document.Status.DRAFT: 2,
    Document.Status.IN_REVIEW: 2,
    Document.Status.REVIEWED: 1,
    Document.Status.APPROVED: 1,
    Document.Status.EFFECTIVE: 6,
    Document.Status.SUPERSEDED: 2,
}


class PaperMaker:
    """Makes slices of documents, so that memory does not grow with their number."""

    def __init__(
        self,
        writer: Writer,
        files: FileWriter,
        rng: random.Random,
        clock: Clock,
        users: list[User],
    ) -> None:
        self._writer = writer
        self._files = files
        self._rng = rng
        self._clock = clock
        self._users = users
        self._types = list(DocumentType.objects.order_by("code"))
        self._sources = list(DocumentSource.objects.order_by("name", "kind"))
        self._numbered = Document.objects.count()

    def make_documents(self, count: int) -> list[Document]:
        """Write documents with their files and reviewers; some replace others, some each other."""
        documents: list[Document] = []
        for _ in range(count):
            self._numbered += 1
            earlier = documents[-1] if documents and self._rng.random() < 0.1 else None
            documents.append(self._document(earlier))
        self._writer.number(documents)
        self._cross_references(documents)
        self._writer.write(documents)
        link = Document.reviewers.through
        self._writer.write(
            [
                link(document_id=document.pk, user_id=user.pk)
                for document in documents
                for user in self._some_users(self._rng.choice((1, 2, 2, 3)))
            ]
        )
        return documents

    def make_revisions(self, documents: list[Document]) -> None:
        """Write one to three revisions of each document."""
        revisions = []
        for document in documents:
            for revision in range(1, self._rng.choice((1, 2, 2, 3)) + 1):
                row = DocumentVersion(
                    document=document,
                    revision=revision,
                    change_summary=self._rng.choice(awkward.TEXTS),
                    content_hash=document.file_checksum,
                    created_by=self._a_user(),
                    created_at=self._clock.tick(),
                )
                if self._rng.random() < 0.03:
                    stored = self._files.store(f"versions/{document.number}/{document.version}/{revision}/draft.txt")
                    row.file, row.content_hash = stored.name, stored.checksum
                revisions.append(row)
        self._writer.write(revisions)

    def make_links(self, documents: list[Document]) -> None:
        """Write links between documents, forwards, backwards and in circles."""
        links: dict[tuple[Any, ...], DocumentDependency] = {}
        for document in documents:
            for _ in range(self._rng.choice((0, 1, 2, 3))):
                needed = self._rng.choice(documents)
                kind = self._rng.choice(DocumentDependency.Kind.values)
                links[document.pk, needed.pk, kind] = DocumentDependency(
                    document=document,
                    depends_on=needed,
                    kind=kind,
                    is_critical=self._rng.random() < 0.2,
                    created_at=self._clock.tick(),
                )
        self._writer.write(list(links.values()))

    def make_comments(self, documents: list[Document]) -> list[DocumentComment]:
        """Write discussions; here and there an answer carries a lower id than what it answers."""
        comments = []
        for document in documents:
            thread = [
                DocumentComment(
                    uid=self._uuid(),
                    document=document,
                    author=self._a_user(),
                    text=self._rng.choice(awkward.TEXTS),
                    page=self._rng.choice((None, "", "1", "ii", "Anhang Ä")),
                    is_resolved=self._rng.random() < 0.5,
                    created_at=self._clock.tick(),
                )
                for _ in range(self._rng.choice((0, 1, 2, 3, 4)))
            ]
            self._writer.number(thread)
            for answer, remark in itertools.pairwise(thread):
                if self._rng.random() < 0.7:
                    forwards = self._rng.random() < 0.2
                    child, parent = (answer, remark) if forwards else (remark, answer)
                    if parent.parent_id != child.pk:
                        child.parent_id = parent.pk
            comments += thread
        self._writer.write(comments)
        return comments

    def make_attachments(self, documents: list[Document]) -> list[DocumentAttachment]:
        """Write attachments under every odd file name there is; some were withdrawn."""
        attachments = []
        for position, document in enumerate(documents):
            if position % 10 != 3:
                continue
            name = awkward.FILE_NAMES[position // 10 % len(awkward.FILE_NAMES)]
            content = b"" if position % 70 == 3 else None
            stored = self._files.store(f"attachments/{document.pk}/{name}", content)
            attachments.append(
                DocumentAttachment(
                    id=self._uuid(),
                    document=document,
                    name=name,
                    file=stored.name,
                    size=stored.size,
                    uploaded_by=self._a_user(),
                    uploaded_at=self._clock.tick(),
                    withdrawn_at=self._clock.tick() if self._rng.random() < 0.2 else None,
                )
            )
        self._writer.write(attachments)
        return attachments

    def make_stray_files(self) -> None:
        """Leave files that no row knows, as crashed uploads and old imports do."""
        for name in ("tmp/upload-1a2b.part", "documents/no row knows me.pdf", "legacy/été/λ.bin"):
            self._files.store(name)
        self._files.store("legacy/empty", b"")
        self._files.store("legacy/all bytes.bin", bytes(range(256)) * 17)

    def _document(self, earlier: Document | None) -> Document:
        rng = self._rng
        kind = rng.choice(self._types)
        number, major = f"{kind.code}-{self._numbered:05d}", rng.choice((1, 1, 1, 2))
        if earlier is not None:
            kind, number, major = (
                earlier.document_type,
                earlier.number,
                earlier.version_major + 1,
            )
        created = self._clock.tick()
        status = rng.choices(list(_STATUS_WEIGHTS), weights=list(_STATUS_WEIGHTS.values()))[0]
        document = Document(
            uid=self._uuid(),
            number=number,
            version_major=major,
            version_minor=rng.choice((0, 0, 0, 1, 12)),
            title=f"{rng.choice(_TITLES)} {self._numbered}",
            description=self._description(),
            abstract=rng.choice((None, "", *awkward.TEXTS)),
            document_type=kind,
            source=rng.choice(self._sources),
            status=status,
            author=self._a_user(),
            approver=self._a_user() if status == Document.Status.EFFECTIVE else None,
            metadata=rng.choice((*awkward.JSON_VALUES[:2], *awkward.JSON_VALUES[3:])),
            cost=rng.choice((None, *awkward.DECIMALS)),
            external_reference=rng.choice((None, *awkward.INTEGERS)),
            relevance=rng.choice((None, *awkward.FLOATS)),
            is_controlled=rng.random() < 0.9,
            is_template_based=rng.choice((None, True, False)),
            origin_date=rng.choice((None, *awkward.DATES)),
            effective_date=created.date() if status == Document.Status.EFFECTIVE else None,
            daily_cutoff=rng.choice((None, *awkward.TIMES)),
            review_interval=rng.choice((None, *awkward.DURATIONS)),
            archive_path=rng.choice((None, None, "")),
            created_at=created,
            updated_at=self._clock.tick(),
        )
        if earlier is not None:
            document.supersedes = earlier
        self._give_files(document)
        return document

    def _give_files(self, document: Document) -> None:
        folder = f"documents/{document.number}/{document.version}"
        if self._numbered % 211 == 5:
            # The row still names a file that was lost long ago.
            document.file = f"{folder}/lost.pdf"
            document.file_checksum, document.file_size = "0" * 64, 4711
            return
        if self._numbered % 97 == 11:
            return
        name = f"{document.number}.pdf"
        if self._rng.random() < 0.05:
            name = self._rng.choice(awkward.FILE_NAMES)
        stored = self._files.store(f"{folder}/{name}")
        document.file = stored.name
        document.file_checksum, document.file_size = stored.checksum, stored.size
        if self._rng.random() < 0.06:
            archived = f"archive/{document.created_at.year}/{document.number}_{document.version}.pdf"
            document.archive_path = self._files.store(archived).name
        elif self._numbered % 101 == 7:
            document.archive_path = f"archive/{document.number}/never written.pdf"

    def _cross_references(self, documents: list[Document]) -> None:
        # A newer version with a lower id, and two documents that claim to replace one another.
        for newer in documents[::7]:
            older = newer.supersedes
            if older is not None and older in documents:
                newer.pk, older.pk = older.pk, newer.pk
        for document in documents:
            if document.supersedes is not None:
                document.supersedes_id = document.supersedes.pk
        if len(documents) > 3:
            first, last = documents[0], documents[-1]
            first.supersedes, last.supersedes = last, first
            documents[1].supersedes = documents[2]

    def _description(self) -> str:
        if self._numbered % 89 == 2:
            return awkward.long_text(self._rng)
        return self._rng.choice(awkward.TEXTS)

    def _a_user(self) -> User:
        return self._rng.choice(self._users)

    def _some_users(self, count: int) -> list[User]:
        return self._rng.sample(self._users, k=min(count, len(self._users)))

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._rng.getrandbits(128), version=4)
