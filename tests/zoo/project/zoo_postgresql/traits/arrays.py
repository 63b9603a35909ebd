"""PostgreSQL arrays, nested ones, NULLs inside, and the array of nothing."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from zoo.keepers import AWKWARD


class Matrix(models.Model):
    numbers = ArrayField(models.IntegerField(null=True), null=True)
    words = ArrayField(models.TextField(null=True), null=True)
    grid = ArrayField(ArrayField(models.FloatField()), null=True)


def fill() -> None:
    Matrix.objects.create(numbers=[1, None, -(2**31)], words=list(AWKWARD), grid=[[0.1, 1e300], [-0.0, 5e-324]])
    Matrix.objects.create(numbers=[], words=["", None, "NULL", "{}"], grid=[])
    Matrix.objects.create()


def grow() -> None:
    Matrix.objects.create(numbers=[1])
