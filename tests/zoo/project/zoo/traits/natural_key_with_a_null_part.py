"""A natural key that one row leaves NULL: unique as it stands, but it says nothing about that row."""

from __future__ import annotations

from django.db import models


class BadgeManager(models.Manager):
    def get_by_natural_key(self, number: str | None) -> Badge:
        return self.get(number=number)


class Badge(models.Model):
    number = models.CharField(max_length=20, null=True, unique=True)
    holder = models.CharField(max_length=20)

    objects = BadgeManager()

    def natural_key(self) -> tuple[str | None]:
        return (self.number,)


def fill() -> None:
    for number, holder in (("1", "Ada"), (None, "Rob"), ("", "Ann"), ("null", "Eve")):
        Badge.objects.create(number=number, holder=holder)


def grow() -> None:
    Badge.objects.create(number="new", holder="new")
