"""Controlled documents, their versions, links, comments and attachments."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class DocumentTypeManager(models.Manager):
    """Finds document types by their code."""

    def get_by_natural_key(self, code: str) -> DocumentType:
        """Return the type with this code."""
        return self.get(code=code)


class DocumentType(models.Model):
    """A kind of document, such as SOP, with its numbering and retention."""

    code = models.CharField(max_length=16)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    requires_approval = models.BooleanField(default=True)

    objects = DocumentTypeManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="documenttype_code_unique")]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def natural_key(self) -> tuple[str]:
        """Return the code, which document numbers begin with."""
        return (self.code,)


class DocumentSourceManager(models.Manager):
    """Finds sources by name and kind."""

    def get_by_natural_key(self, name: str, kind: str) -> DocumentSource:
        """Return the source of this name and kind."""
        return self.get(name=name, kind=kind)


class DocumentSource(models.Model):
    """Where a document came from; one name may stand for a scanner and for a mailbox."""

    class Kind(models.TextChoices):
        ORIGINAL = "original", "Original digital draft"
        SCANNED = "scanned", "Scanned original"
        MAIL = "mail", "Received by mail"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    requires_verification = models.BooleanField(default=False)

    objects = DocumentSourceManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "kind"], name="documentsource_unique")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()})"

    def natural_key(self) -> tuple[str, str]:
        """Return name and kind, which together name one source."""
        return (self.name, self.kind)


class DocumentManager(models.Manager):
    """Finds documents by number and version."""

    def get_by_natural_key(self, number: str, major: int, minor: int) -> Document:
        """Return this version of the document with this number."""
        return self.get(number=number, version_major=major, version_minor=minor)


def document_path(document: Document, filename: str) -> str:
    """Place a document's file in a folder of its number."""
    return f"documents/{document.number}/{filename}"


class Document(models.Model):
    """One version of a controlled document."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        IN_REVIEW = "in_review", "In review"
        REVIEWED = "reviewed", "Reviewed"
        APPROVED = "approved", "Approved"
        EFFECTIVE = "effective", "Effective"
        SUPERSEDED = "superseded", "Superseded"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number = models.CharField(max_length=40)
    version_major = models.PositiveIntegerField(default=1)
    version_minor = models.PositiveIntegerField(default=0)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    abstract = models.TextField(null=True, blank=True)
    document_type = models.ForeignKey(DocumentType, on_delete=models.PROTECT)
    source = models.ForeignKey(DocumentSource, on_delete=models.PROTECT)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.DRAFT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="documents_authored")
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="documents_approved",
    )
    reviewers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="documents_to_review")
    supersedes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    file = models.FileField(upload_to=document_path, max_length=500, blank=True)
    file_checksum = models.CharField(max_length=64, blank=True)
    file_size = models.BigIntegerField(null=True, blank=True)
    # Older parts of real systems keep paths as plain text, where no FileField betrays them.
    archive_path = models.CharField(max_length=500, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    cost = models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)
    external_reference = models.BigIntegerField(null=True, blank=True)
    relevance = models.FloatField(null=True, blank=True)
    is_controlled = models.BooleanField(default=True)
    is_template_based = models.BooleanField(null=True, blank=True)
    origin_date = models.DateField(null=True, blank=True)
    effective_date = models.DateField(null=True, blank=True)
    daily_cutoff = models.TimeField(null=True, blank=True)
    review_interval = models.DurationField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DocumentManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number", "version_major", "version_minor"], name="document_unique")
        ]
        indexes = [models.Index(fields=["status", "effective_date"], name="document_status_idx")]

    def __str__(self) -> str:
        return f"{self.number} v{self.version}"

    @property
    def version(self) -> str:
        """The version as people write it."""
        return f"{self.version_major}.{self.version_minor}"

    def natural_key(self) -> tuple[str, int, int]:
        """Return number and version, as printed on every page."""
        return (self.number, self.version_major, self.version_minor)


class DocumentVersionManager(models.Manager):
    """Finds revisions by their document and counter."""

    def get_by_natural_key(self, number: str, major: int, minor: int, revision: int) -> DocumentVersion:
        """Return this revision of this document."""
        return self.get(
            document__number=number,
            document__version_major=major,
            document__version_minor=minor,
            revision=revision,
        )


def revision_path(version: DocumentVersion, filename: str) -> str:
    """Place a revision's file beside its siblings."""
    return f"versions/{version.document.number}/{version.document.version}/{version.revision}/{filename}"


class DocumentVersion(models.Model):
    """A revision of a document's content while it was being written."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="revisions")
    revision = models.PositiveIntegerField()
    change_summary = models.TextField(blank=True)
    file = models.FileField(upload_to=revision_path, max_length=500, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DocumentVersionManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "revision"], name="documentversion_unique")]

    def __str__(self) -> str:
        return f"{self.document} revision {self.revision}"

    def natural_key(self) -> tuple[str | int, ...]:
        """Return the document's key and the revision."""
        return (*self.document.natural_key(), self.revision)

    natural_key.dependencies = ["documents.document"]  # type: ignore[attr-defined]


class DocumentDependencyManager(models.Manager):
    """Finds a link by both its ends and its kind."""

    def get_by_natural_key(
        self,
        number: str,
        major: int,
        minor: int,
        needed_number: str,
        needed_major: int,
        needed_minor: int,
        kind: str,
    ) -> DocumentDependency:
        """Return the link of this kind between these two documents."""
        return self.get(
            document__number=number,
            document__version_major=major,
            document__version_minor=minor,
            depends_on__number=needed_number,
            depends_on__version_major=needed_major,
            depends_on__version_minor=needed_minor,
            kind=kind,
        )


class DocumentDependency(models.Model):
    """A document that needs, cites or implements another."""

    class Kind(models.TextChoices):
        REFERENCE = "reference", "Refers to"
        IMPLEMENTS = "implements", "Implements"
        TEMPLATE = "template", "Is written from"

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="dependencies")
    depends_on = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="dependents")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    is_critical = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = DocumentDependencyManager()

    class Meta:
        verbose_name_plural = "document dependencies"
        constraints = [
            models.UniqueConstraint(fields=["document", "depends_on", "kind"], name="documentdependency_unique")
        ]

    def __str__(self) -> str:
        return f"{self.document} {self.get_kind_display().lower()} {self.depends_on}"

    def natural_key(self) -> tuple[str | int, ...]:
        """Return the keys of both documents and the kind."""
        return (*self.document.natural_key(), *self.depends_on.natural_key(), self.kind)

    natural_key.dependencies = ["documents.document"]  # type: ignore[attr-defined]


class DocumentCommentManager(models.Manager):
    """Finds comments by their UUID."""

    def get_by_natural_key(self, uid: str | uuid.UUID) -> DocumentComment:
        """Return the comment with this UUID."""
        return self.get(uid=uid)


class DocumentComment(models.Model):
    """A remark on a document, or an answer to another remark."""

    uid = models.UUIDField(default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="answers")
    text = models.TextField()
    page = models.CharField(max_length=20, null=True, blank=True)
    is_resolved = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DocumentCommentManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["uid"], name="documentcomment_uid_unique")]

    def __str__(self) -> str:
        return f"{self.author} on {self.document}"

    def natural_key(self) -> tuple[str]:
        """Return the UUID: nothing else about a remark is unique."""
        return (str(self.uid),)


class CurrentAttachmentManager(models.Manager):
    """Hides withdrawn attachments, as screens should; the rows stay for the inspector."""

    def get_queryset(self) -> models.QuerySet:
        """Leave out what was withdrawn."""
        return super().get_queryset().filter(withdrawn_at__isnull=True)

    def get_by_natural_key(self, number: str, major: int, minor: int, name: str) -> DocumentAttachment:
        """Return the attachment of this name, withdrawn or not, since names are not reused."""
        return (
            super()
            .get_queryset()
            .get(
                document__number=number,
                document__version_major=major,
                document__version_minor=minor,
                name=name,
            )
        )


def attachment_path(attachment: DocumentAttachment, filename: str) -> str:
    """Place an attachment in a folder named by its document's id, as many systems do."""
    return f"attachments/{attachment.document_id}/{filename}"


class DocumentAttachment(models.Model):
    """A file that accompanies a document. Its id is a UUID so that links to it cannot be guessed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    file = models.FileField(upload_to=attachment_path, max_length=500)
    size = models.BigIntegerField(default=0)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    uploaded_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = CurrentAttachmentManager()
    including_withdrawn = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "name"], name="documentattachment_unique")]

    def __str__(self) -> str:
        return f"{self.name} of {self.document}"

    def natural_key(self) -> tuple[str | int, ...]:
        """Return the document's key and the attachment's name."""
        return (*self.document.natural_key(), self.name)

    natural_key.dependencies = ["documents.document"]  # type: ignore[attr-defined]
