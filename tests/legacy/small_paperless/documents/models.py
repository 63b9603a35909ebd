"""A few models of paperless-ngx with the names, kinds of fields and managers that matter to its exporter."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Cast, Substr


class _NotDeleted(models.Manager[Any]):
    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(deleted_at__isnull=True)


class Tag(models.Model):
    """A tag, in a tree."""

    name = models.CharField(max_length=128)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE)

    class Meta:
        """As in paperless: a name once among those of nobody."""

        constraints = (
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(parent__isnull=True), name="documents_tag_name_uniq"
            ),
        )


class Correspondent(models.Model):
    """Who sent documents."""

    name = models.CharField(max_length=128)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)


class Document(models.Model):
    """A document; rows in the trash are hidden by the manager."""

    title = models.CharField(max_length=128, blank=True)
    content = models.TextField(blank=True)
    mime_type = models.CharField(max_length=256)
    tags = models.ManyToManyField(Tag)
    correspondent = models.ForeignKey(Correspondent, null=True, on_delete=models.SET_NULL)
    checksum = models.CharField(max_length=64, unique=True)
    archive_checksum = models.CharField(max_length=64, null=True)
    created = models.DateField()
    added = models.DateTimeField()
    filename = models.FilePathField(max_length=1024, unique=True, null=True)
    archive_filename = models.FilePathField(max_length=1024, unique=True, null=True)
    archive_serial_number = models.PositiveIntegerField(unique=True, null=True)
    content_length = models.GeneratedField(
        expression=models.functions.Length("content"), output_field=models.PositiveIntegerField(), db_persist=True
    )
    root_document = models.ForeignKey("self", null=True, on_delete=models.CASCADE)
    deleted_at = models.DateTimeField(null=True)

    objects = _NotDeleted()
    global_objects: Any = models.Manager()


def _number(begins: int) -> Cast:
    return Cast(Substr("value_monetary", begins), output_field=models.DecimalField(decimal_places=2, max_digits=65))


class CustomFieldInstance(models.Model):
    """A value of a document, as JSON and as money."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE)
    value_document_ids = models.JSONField(null=True)
    value_monetary = models.CharField(max_length=128, null=True)
    # On SQLite only Django's own connection has the function of a regular expression.
    value_monetary_amount = models.GeneratedField(
        expression=models.Case(
            models.When(value_monetary__regex=r"^\d+", then=_number(1)),
            default=_number(4),
            output_field=models.DecimalField(decimal_places=2, max_digits=65),
        ),
        output_field=models.DecimalField(decimal_places=2, max_digits=65),
        db_persist=True,
    )

    class Meta:
        """As in paperless: an index over the computed field."""

        indexes = (models.Index(fields=["document", "value_monetary_amount"]),)


class Note(models.Model):
    """A note to a document."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE)
    note = models.TextField()
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)


class ShareLinkBundle(models.Model):
    """Several documents in a zip that can be fetched by a link."""

    slug = models.CharField(max_length=50, unique=True)
    file_path = models.CharField(max_length=512, blank=True)
    documents = models.ManyToManyField(Document)


class DocumentPage(models.Model):
    """A model with a key of two columns, which paperless has not."""

    pk = models.CompositePrimaryKey("document_id", "page")
    document = models.ForeignKey(Document, on_delete=models.CASCADE)
    page = models.IntegerField()
