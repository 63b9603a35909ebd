"""Documents and what hangs on them in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from documents.models import (
    Document,
    DocumentAttachment,
    DocumentComment,
    DocumentDependency,
    DocumentSource,
    DocumentType,
    DocumentVersion,
)


@admin.register(DocumentType)
class DocumentTypeAdmin(admin.ModelAdmin):
    """Kinds of documents."""

    list_display = ("code", "name", "retention_days", "requires_approval")


@admin.register(DocumentSource)
class DocumentSourceAdmin(admin.ModelAdmin):
    """Where documents come from."""

    list_display = ("name", "kind", "requires_verification")


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):
    """Documents; the status is read only because the life cycle alone may change it."""

    list_display = ("number", "version", "title", "document_type", "status", "effective_date")
    list_filter = ("status", "document_type")
    list_select_related = ("document_type",)
    search_fields = ("number", "title")
    raw_id_fields = ("author", "approver", "reviewers", "supersedes")
    readonly_fields = ("uid", "status", "file_checksum", "file_size", "created_at", "updated_at")


@admin.register(DocumentVersion)
class DocumentVersionAdmin(admin.ModelAdmin):
    """Revisions of the content."""

    list_display = ("document", "revision", "created_by", "created_at")
    list_select_related = ("document", "created_by")
    raw_id_fields = ("document", "created_by")


@admin.register(DocumentDependency)
class DocumentDependencyAdmin(admin.ModelAdmin):
    """Links between documents."""

    list_display = ("document", "kind", "depends_on", "is_critical")
    list_select_related = ("document", "depends_on")
    raw_id_fields = ("document", "depends_on")


@admin.register(DocumentComment)
class DocumentCommentAdmin(admin.ModelAdmin):
    """Remarks and answers."""

    list_display = ("document", "author", "created_at", "is_resolved")
    list_select_related = ("document", "author")
    raw_id_fields = ("document", "author", "parent")


@admin.register(DocumentAttachment)
class DocumentAttachmentAdmin(admin.ModelAdmin):
    """Attachments, the withdrawn ones included."""

    list_display = ("name", "document", "size", "uploaded_by", "withdrawn_at")
    list_select_related = ("document", "uploaded_by")
    raw_id_fields = ("document", "uploaded_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Show an administrator what ordinary screens hide."""
        return DocumentAttachment.including_withdrawn.all()
