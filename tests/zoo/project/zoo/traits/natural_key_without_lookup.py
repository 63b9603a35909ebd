"""`natural_key()` without a `get_by_natural_key` anywhere: what dumpdata writes, loaddata cannot read."""

from __future__ import annotations

from django.db import models


class Supplier(models.Model):
    code = models.CharField(max_length=20, unique=True)

    def natural_key(self) -> tuple[str]:
        return (self.code,)


def fill() -> None:
    for code in ("S1", "S2"):
        Supplier.objects.create(code=code)


def grow() -> None:
    Supplier.objects.create(code="S3")
