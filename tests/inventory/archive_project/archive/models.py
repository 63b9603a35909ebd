"""Every kind of reference and of column that a document system of any age may have; Python 3.8 and Django 3.2 read it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class ShelfManager(models.Manager):
    """Finds shelves by their natural key."""

    def get_by_natural_key(self, code: str) -> Shelf:
        """The shelf of that code."""
        return self.get(code=code)


class Shelf(models.Model):
    """A place, inside another one."""

    code = models.CharField(max_length=20, unique=True)
    inside = models.ForeignKey("self", models.SET_NULL, null=True, blank=True)
    objects = ShelfManager()

    def natural_key(self) -> tuple:
        """What people call it."""
        return (self.code,)


class Label(models.Model):
    """A word on documents."""

    name = models.CharField(max_length=40, unique=True)


class KeptDocuments(models.Manager):
    """Hides what was thrown away, as many systems do."""

    def get_queryset(self) -> models.QuerySet:
        """Documents that were not thrown away."""
        return super().get_queryset().filter(thrown_away=False)

    def get_by_natural_key(self, code: str, number: int) -> Document:
        """The document with that number on that shelf."""
        return self.get(shelf__code=code, number=number)


class Document(models.Model):
    """A document on a shelf."""

    shelf = models.ForeignKey(Shelf, models.PROTECT)
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    identity = models.UUIDField(default=uuid.uuid4, unique=True)
    labels = models.ManyToManyField(Label, blank=True)
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Reading", related_name="read")
    file = models.FileField(upload_to="documents", blank=True)
    facts = models.JSONField(default=dict)
    price = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    weight = models.FloatField(null=True)
    kept_for = models.DurationField(null=True)
    seal = models.BinaryField(default=b"")
    created = models.DateTimeField()
    changed = models.DateTimeField(auto_now=True)
    thrown_away = models.BooleanField(default=False)
    objects = KeptDocuments()

    class Meta:
        """Numbers count from one on each shelf."""

        unique_together = (("shelf", "number"),)

    def natural_key(self) -> tuple:
        """Shelf and number."""
        return (*self.shelf.natural_key(), self.number)

    natural_key.dependencies = ("archive.shelf",)


class Contract(Document):
    """A document that somebody signed: a table that shares its key."""

    partner = models.CharField(max_length=100)


class Reading(models.Model):
    """Who read what, and when."""

    document = models.ForeignKey(Document, models.CASCADE)
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    at = models.DateTimeField()


class Remark(models.Model):
    """A remark on anything."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey()
    text = models.TextField()
