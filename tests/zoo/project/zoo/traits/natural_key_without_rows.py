"""A declared natural key on an empty table: nothing to check it on."""

from __future__ import annotations

from django.db import models


class HolidayManager(models.Manager):
    def get_by_natural_key(self, date: str) -> Holiday:
        return self.get(date=date)


class Holiday(models.Model):
    date = models.DateField()

    objects = HolidayManager()

    def natural_key(self) -> tuple[str]:
        return (self.date,)


def fill() -> None:
    pass


def grow() -> None:
    Holiday.objects.create(date="2026-01-01")
