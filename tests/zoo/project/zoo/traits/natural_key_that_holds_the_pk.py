"""A key with the pk inside: it matches nothing in another system, though it looks like a key."""

from __future__ import annotations

from django.db import models


class VersionManager(models.Manager):
    def get_by_natural_key(self, label: str, number: int) -> Version:
        return self.get(label=label, pk=number)


class Version(models.Model):
    label = models.CharField(max_length=20)

    objects = VersionManager()

    def natural_key(self) -> tuple[str, int]:
        return (self.label, self.pk)


def fill() -> None:
    for label in ("draft", "draft", "final"):
        Version.objects.create(label=label)
    Version.objects.filter(label="final").update(id=77)


def grow() -> None:
    Version.objects.create(id=99, label="draft")
