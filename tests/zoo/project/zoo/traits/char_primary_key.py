"""Codes as primary keys: references hold texts, awkward ones included."""

from __future__ import annotations

from django.db import models

from zoo.keepers import AWKWARD


class Currency(models.Model):
    code = models.CharField(max_length=400, primary_key=True)


class Price(models.Model):
    currency = models.ForeignKey(Currency, models.CASCADE)
    amount = models.DecimalField(max_digits=20, decimal_places=5)


def fill() -> None:
    for number, code in enumerate(AWKWARD):
        Price.objects.create(currency=Currency.objects.create(code=code), amount=f"{number}.{number:05}")


def grow() -> None:
    Price.objects.create(currency=Currency.objects.create(code="EUR"), amount="1.5")
