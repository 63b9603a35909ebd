"""A key made of columns, but equal to none: the document's number as people write it."""

from __future__ import annotations

from django.db import models


class SopManager(models.Manager):
    def get_by_natural_key(self, number: str) -> Sop:
        return self.get(number=int(number.removeprefix("SOP-")))


class Sop(models.Model):
    number = models.IntegerField(unique=True)

    objects = SopManager()

    def natural_key(self) -> tuple[str]:
        return (f"SOP-{self.number:04}",)


def fill() -> None:
    for number in (1, 22, 333):
        Sop.objects.create(number=number)


def grow() -> None:
    Sop.objects.create(number=4444)
