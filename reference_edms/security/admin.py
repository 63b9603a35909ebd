"""Signatures and certificates in the admin."""

from __future__ import annotations

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from security.models import ElectronicSignature, PDFSigningCertificate


@admin.register(ElectronicSignature)
class ElectronicSignatureAdmin(ReadOnlyAdmin):
    """Signatures to look at; they are given with a password, never typed into a form."""

    list_display = ("document", "signer", "meaning", "signed_at")
    list_select_related = ("document", "signer")


@admin.register(PDFSigningCertificate)
class PDFSigningCertificateAdmin(admin.ModelAdmin):
    """Certificates; their binary content is loaded by other means."""

    list_display = ("subject", "issuer", "serial_number", "valid_until", "is_active")
