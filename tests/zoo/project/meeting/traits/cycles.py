"""References in circles, one of them NOT NULL; a row that refers to itself; a key through the circle."""

from __future__ import annotations

from django.db import models


class Chief(models.Model):
    name = models.CharField(max_length=20, unique=True)
    office = models.ForeignKey("Office", models.CASCADE, related_name="+")


class Office(models.Model):
    name = models.CharField(max_length=20, unique=True)
    chief = models.ForeignKey(Chief, models.SET_NULL, null=True, related_name="+")
    above = models.ForeignKey("self", models.SET_NULL, null=True)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Office.objects.create(id=number, name=name, above_id=number)
        Chief.objects.create(id=4 - number, name=name, office_id=number)
    for number in (1, 2, 3):
        Office.objects.filter(id=number).update(chief_id=number)


def say() -> dict[str, object]:
    return {f"o {o.name}": [o.chief.name, o.above.name] for o in Office.objects.all()} | {
        f"c {c.name}": c.office.name for c in Chief.objects.all()
    }
