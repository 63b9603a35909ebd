"""References by a code: the rows that have the codes are matched by name, and the two systems gave them other codes."""

from __future__ import annotations

from django.db import models


class Bureau(models.Model):
    name = models.CharField(max_length=20, unique=True)
    code = models.CharField(max_length=20, unique=True)


class Errand(models.Model):
    name = models.CharField(max_length=20, unique=True)
    bureau = models.ForeignKey(Bureau, models.CASCADE, to_field="code")


KEYS = {"meeting.Bureau": ["name"]}


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Bureau.objects.create(id=number, name=name, code=f"{name} of {names[0]}")
        Errand.objects.create(name=f"{name} for {names[0]}", bureau_id=f"{name} of {names[0]}")


def say() -> dict[str, object]:
    return {e.name: e.bureau.name for e in Errand.objects.all()}
