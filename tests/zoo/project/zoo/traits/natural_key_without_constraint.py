"""A natural key that holds today, with nothing in the database that keeps it from breaking tomorrow."""

from __future__ import annotations

from django.db import models


class InvoiceManager(models.Manager):
    def get_by_natural_key(self, year: int, number: str) -> Invoice:
        return self.get(year=year, number=number)


class Invoice(models.Model):
    year = models.IntegerField()
    number = models.CharField(max_length=20)

    objects = InvoiceManager()

    def natural_key(self) -> tuple[int, str]:
        return (self.year, self.number)


def fill() -> None:
    for year in (2024, 2025):
        for number in ("A-1", "A-2", ""):
            Invoice.objects.create(year=year, number=number)


def grow() -> None:
    Invoice.objects.create(year=2026, number="A-1")
