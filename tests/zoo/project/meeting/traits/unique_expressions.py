"""Unique on an expression: `lower(name)`."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower


class Village(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        constraints = (models.UniqueConstraint(Lower("name"), name="one_village"),)


class House(models.Model):
    name = models.CharField(max_length=20, unique=True)
    village = models.ForeignKey(Village, models.CASCADE)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Village.objects.create(id=number, name=name.title() if names[0] == "ann" else name)
        House.objects.create(name=name, village_id=number)


def say() -> dict[str, object]:
    return {s.name: s.village.name.lower() for s in House.objects.all()} | {
        f"{v.name.lower()}": Village.objects.filter(name__iexact=v.name).count() for v in Village.objects.all()
    }
