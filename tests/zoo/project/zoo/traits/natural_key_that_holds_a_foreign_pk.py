"""A key with the pk of a row it points at inside: as worthless elsewhere as its own would be, unless it is followed."""

from __future__ import annotations

from django.db import models


class Binder(models.Model):
    title = models.CharField(max_length=20)


class PageManager(models.Manager):
    def get_by_natural_key(self, binder: int, number: int) -> Page:
        return self.get(binder_id=binder, number=number)


class Page(models.Model):
    binder = models.ForeignKey(Binder, models.CASCADE)
    number = models.IntegerField()

    objects = PageManager()

    class Meta:
        unique_together = (("binder", "number"),)

    def natural_key(self) -> tuple[int, int]:
        return (self.binder_id, self.number)


def fill() -> None:
    binders = [Binder.objects.create(title=title) for title in ("same", "same")]
    for binder in binders:
        for number in (1, 2):
            Page.objects.create(binder=binder, number=10 * number)


def grow() -> None:
    Page.objects.create(binder=Binder.objects.create(title="new"), number=1)
