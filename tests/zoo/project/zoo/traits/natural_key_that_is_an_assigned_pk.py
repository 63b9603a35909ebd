"""A key that is the pk, where people choose the number: dumpdata --natural-primary loses it all the same."""

from __future__ import annotations

from django.db import models


class AccountManager(models.Manager):
    def get_by_natural_key(self, number: int) -> Account:
        return self.get(pk=number)


class Account(models.Model):
    number = models.IntegerField(primary_key=True)
    title = models.CharField(max_length=20)

    objects = AccountManager()

    def natural_key(self) -> tuple[int]:
        return (self.number,)


def fill() -> None:
    for number in (1000, -1, 4711):
        Account.objects.create(number=number, title=f"account {number}")


def grow() -> None:
    Account.objects.create(number=4712, title="new")
