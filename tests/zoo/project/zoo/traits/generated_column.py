"""Columns that the database computes: they are read for the record and cannot be written."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower


class Parcel(models.Model):
    code = models.CharField(max_length=20, unique=True)
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    area = models.GeneratedField(
        expression=models.F("width") * models.F("height"), output_field=models.IntegerField(null=True), db_persist=True
    )
    folded = models.GeneratedField(
        expression=Lower("code"), output_field=models.CharField(max_length=20), db_persist=True
    )


def fill() -> None:
    for code, width, height in (("A", 3, 4), ("É", None, 4), ("c", -1, 0)):
        Parcel.objects.create(code=code, width=width, height=height)


def grow() -> None:
    Parcel.objects.create(code="NEW", width=5, height=5)
