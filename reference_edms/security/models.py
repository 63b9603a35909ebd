"""Electronic signatures on documents, and the certificates that seal their PDFs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from documents.models import Document


class PDFSigningCertificateManager(models.Manager):
    """Finds certificates the way X.509 identifies them."""

    def get_by_natural_key(self, issuer: str, serial_number: str) -> PDFSigningCertificate:
        """Return the certificate of this issuer and serial number."""
        return self.get(issuer=issuer, serial_number=serial_number)


class PDFSigningCertificate(models.Model):
    """A certificate for sealing PDFs, with its key encrypted at rest."""

    issuer = models.CharField(max_length=200)
    serial_number = models.CharField(max_length=80)
    subject = models.CharField(max_length=200)
    certificate = models.BinaryField()
    encrypted_key = models.BinaryField(null=True, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    is_active = models.BooleanField(default=False)

    objects = PDFSigningCertificateManager()

    class Meta:
        verbose_name = "PDF signing certificate"
        constraints = [models.UniqueConstraint(fields=["issuer", "serial_number"], name="pdfsigningcertificate_unique")]

    def __str__(self) -> str:
        return f"{self.subject} ({self.serial_number})"

    def natural_key(self) -> tuple[str, str]:
        """Return issuer and serial number, unique by the X.509 standard."""
        return (self.issuer, self.serial_number)


class ElectronicSignatureManager(models.Manager):
    """Finds signatures by document, signer, meaning and counter."""

    def get_by_natural_key(
        self, number: str, major: int, minor: int, username: str, meaning: str, ordinal: int
    ) -> ElectronicSignature:
        """Return the signature this person gave this document with this meaning."""
        return self.get(
            document__number=number,
            document__version_major=major,
            document__version_minor=minor,
            signer__username=username,
            meaning=meaning,
            ordinal=ordinal,
        )


class ElectronicSignature(models.Model):
    """A signature under 21 CFR Part 11: who, when, with what meaning, over which content."""

    class Meaning(models.TextChoices):
        AUTHORED = "authored", "I wrote this document"
        REVIEWED = "reviewed", "I reviewed this document"
        APPROVED = "approved", "I approve this document"

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="signatures")
    signer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    meaning = models.CharField(max_length=16, choices=Meaning.choices)
    ordinal = models.PositiveSmallIntegerField(default=1)
    reason = models.TextField(blank=True)
    signed_at = models.DateTimeField(default=timezone.now)
    document_hash = models.CharField(max_length=64)
    signature = models.CharField(max_length=64)
    certificate = models.ForeignKey(PDFSigningCertificate, null=True, blank=True, on_delete=models.PROTECT)

    objects = ElectronicSignatureManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["document", "signer", "meaning", "ordinal"],
                name="electronicsignature_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.signer} {self.meaning} {self.document}"

    def natural_key(self) -> tuple[str | int, ...]:
        """Return the keys of document and signer, the meaning and the counter."""
        return (
            *self.document.natural_key(),
            *self.signer.natural_key(),
            self.meaning,
            self.ordinal,
        )

    natural_key.dependencies = [  # type: ignore[attr-defined]
        "documents.document",
        "users.user",
    ]
