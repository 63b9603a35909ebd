"""`get_by_natural_key` without a `natural_key()`: rows can be looked up by a key that nobody writes."""

from __future__ import annotations

from django.db import models


class WarehouseManager(models.Manager):
    def get_by_natural_key(self, code: str) -> Warehouse:
        return self.get(code=code)


class Warehouse(models.Model):
    code = models.CharField(max_length=20)

    objects = WarehouseManager()


def fill() -> None:
    for code in ("W1", "W2"):
        Warehouse.objects.create(code=code)


def grow() -> None:
    Warehouse.objects.create(code="W3")
