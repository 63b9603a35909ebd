"""A declared natural key that rows share, since nothing in the database forbids it: loaddata merges them into one."""

from __future__ import annotations

from django.db import models


class ShelfManager(models.Manager):
    def get_by_natural_key(self, name: str) -> Shelf:
        return self.get(name=name)


class Shelf(models.Model):
    name = models.CharField(max_length=20)
    content = models.CharField(max_length=20)

    objects = ShelfManager()

    def natural_key(self) -> tuple[str]:
        return (self.name,)


def fill() -> None:
    for number, name in enumerate(("left", "left", "left", "right", "right", "")):
        Shelf.objects.create(name=name, content=f"box {number}")


def grow() -> None:
    Shelf.objects.create(name="left", content="one more")
