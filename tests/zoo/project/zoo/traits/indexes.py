"""Partial, unique, covering and expression indexes: the unique ones among them are no keys of columns."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower


class Ledger(models.Model):
    name = models.CharField(max_length=20)
    year = models.IntegerField()
    closed = models.BooleanField(default=False)

    class Meta:
        indexes = (
            models.Index(fields=("year",), name="open_years", condition=models.Q(closed=False)),
            models.Index(fields=("-year", "name"), name="downwards"),
            models.Index(models.F("year") + 1, name="next_year"),
        )
        constraints = (
            models.UniqueConstraint(Lower("name"), "year", name="name_in_any_case"),
            models.UniqueConstraint(fields=("name",), condition=models.Q(closed=False), name="one_open"),
            models.CheckConstraint(condition=models.Q(year__gte=1900), name="no_antiquity"),
        )


def fill() -> None:
    for year, closed in ((1900, True), (2000, True), (2024, False)):
        for name in ("Main", "side"):
            Ledger.objects.create(name=name, year=year, closed=closed)


def grow() -> None:
    Ledger.objects.create(name="MAIN", year=2025)
