"""Files out and in: download a document or an attachment, upload an attachment."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.db.models import FileField
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from documents import services
from documents.models import Document, DocumentAttachment


@login_required
@require_GET
def download_document(request: HttpRequest, number: str, major: int, minor: int) -> HttpResponseBase:
    """Send the file of a document."""
    document = _document(number, major, minor)
    return _send(document.file, document.file.name.rpartition("/")[2])


@login_required
@require_GET
def download_attachment(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Send an attachment that was not withdrawn."""
    attachment = get_object_or_404(DocumentAttachment, pk=pk)
    return _send(attachment.file, attachment.name)


@login_required
@require_POST
def upload_attachment(request: HttpRequest, number: str, major: int, minor: int) -> HttpResponseBase:
    """Take the uploaded ``file`` as an attachment of a document."""
    document = _document(number, major, minor)
    upload = request.FILES.get("file")
    if upload is None:
        return JsonResponse({"error": "send the attachment as a form field named 'file'"}, status=400)
    if DocumentAttachment.including_withdrawn.filter(document=document, name=upload.name).exists():
        return JsonResponse({"error": f"{upload.name} is attached already"}, status=409)
    attachment = services.attach(document, request.user, upload.name, upload.read())
    return JsonResponse({"id": str(attachment.pk), "name": attachment.name}, status=201)


def _document(number: str, major: int, minor: int) -> Document:
    return get_object_or_404(Document, number=number, version_major=major, version_minor=minor)


def _send(file: FileField, name: str) -> FileResponse:
    if not file:
        raise Http404("no file is stored")
    try:
        return FileResponse(file.open("rb"), as_attachment=True, filename=name)
    except FileNotFoundError as error:
        raise Http404("the stored file is missing") from error
