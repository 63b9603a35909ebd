"""A table that may hold one row: by a CHECK, in both systems, with different values."""

from __future__ import annotations

from django.db import models


class Preferences(models.Model):
    title = models.CharField(max_length=20)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="only_one"),)


def fill(names: tuple[str, ...]) -> None:
    Preferences.objects.create(id=1, title=names[0])


def say() -> dict[str, object]:
    return {"title": [p.title for p in Preferences.objects.all()]}
