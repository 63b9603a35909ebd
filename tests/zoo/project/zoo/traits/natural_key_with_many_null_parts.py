"""A unique column as natural key that many rows leave NULL: the database lets them, and they share one key."""

from __future__ import annotations

from django.db import models


class PassportManager(models.Manager):
    def get_by_natural_key(self, number: str | None) -> Passport:
        return self.get(number=number)


class Passport(models.Model):
    number = models.CharField(max_length=20, null=True, unique=True)
    holder = models.CharField(max_length=20)

    objects = PassportManager()

    def natural_key(self) -> tuple[str | None]:
        return (self.number,)


def fill() -> None:
    for number, holder in ((None, "Ada"), ("1", "Rob"), (None, "Ann"), (None, "Eve")):
        Passport.objects.create(number=number, holder=holder)


def grow() -> None:
    Passport.objects.create(number=None, holder="new")
