"""Electronic signatures: given with a password, bound to the content, and checkable later."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from audit.actor import acting_as
from documents.models import Document
from security.models import ElectronicSignature, PDFSigningCertificate
from users.models import User


class SignatureRefused(Exception):
    """The signer is not who they claim, may not sign, or nothing is there to be signed."""


def sign(document: Document, signer: User, password: str, meaning: str, reason: str = "") -> ElectronicSignature:
    """Sign a document's present content, once the signer has proved to be the signer."""
    if not signer.is_active or not signer.check_password(password):
        raise SignatureRefused("the password is wrong or the account is closed")
    if meaning not in ElectronicSignature.Meaning.values:
        raise SignatureRefused(f"{meaning!r} is not a meaning a signature can have")
    with acting_as(signer), transaction.atomic():
        earlier = ElectronicSignature.objects.filter(document=document, signer=signer, meaning=meaning)
        signature = ElectronicSignature(
            document=document,
            signer=signer,
            meaning=meaning,
            ordinal=earlier.count() + 1,
            reason=reason,
            signed_at=timezone.now(),
            document_hash=content_hash(document),
            certificate=PDFSigningCertificate.objects.filter(is_active=True).order_by("pk").first(),
        )
        signature.signature = manifestation(signature)
        signature.save()
        return signature


def signature_is_valid(signature: ElectronicSignature) -> bool:
    """Say whether the record is untouched and the document still has the content that was signed."""
    untouched = hmac.compare_digest(signature.signature, manifestation(signature))
    return untouched and signature.document_hash == content_hash(signature.document)


def content_hash(document: Document) -> str:
    """Return the SHA-256 of the document's file, or of nothing where there is none."""
    digest = hashlib.sha256()
    if document.file and default_storage.exists(document.file.name):
        with default_storage.open(document.file.name) as stream:
            for block in stream.chunks():
                digest.update(block)
    return digest.hexdigest()


def manifestation(signature: ElectronicSignature) -> str:
    """Bind signer, moment, meaning and content with the installation's secret."""
    document = signature.document
    signed = "|".join(
        (
            document.number,
            document.version,
            signature.signer.get_username(),
            signature.meaning,
            str(signature.ordinal),
            signature.signed_at.isoformat(timespec="microseconds"),
            signature.document_hash,
        )
    )
    return hmac.new(settings.SECRET_KEY.encode(), signed.encode(), hashlib.sha256).hexdigest()
