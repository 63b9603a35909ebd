"""A unique constraint for which NULL is a value like others (PostgreSQL 15): a key of all rows, though it may be NULL."""

from __future__ import annotations

from django.db import models


class Slot(models.Model):
    day = models.DateField(null=True)
    number = models.IntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("day", "number"), nulls_distinct=False, name="one_slot"),)


def fill() -> None:
    for day in (None, "2024-02-29"):
        for number in (1, 2):
            Slot.objects.create(day=day, number=number)


def grow() -> None:
    Slot.objects.create(day=None, number=3)
