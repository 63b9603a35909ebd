"""A reference that only the model knows, with rows that dangle: nothing in the database says where it leads."""

from __future__ import annotations

from django.db import models


class Archive(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Box(models.Model):
    code = models.CharField(max_length=20, unique=True)
    archive = models.ForeignKey(Archive, models.DO_NOTHING, db_constraint=False, null=True)


def fill() -> None:
    archive = Archive.objects.create(name="cellar")
    for code, place in (("known", archive.pk), ("lost", 99), ("nowhere", None)):
        Box.objects.create(code=code, archive_id=place)


def grow() -> None:
    Box.objects.create(code="new", archive=Archive.objects.create(name="attic"))
