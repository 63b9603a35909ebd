"""Two tables that point at each other, one of them NOT NULL: neither can be loaded first under its constraints."""

from __future__ import annotations

from django.db import models, transaction


class Chief(models.Model):
    name = models.CharField(max_length=20, unique=True)
    office = models.ForeignKey("Office", models.CASCADE, related_name="+")


class Office(models.Model):
    name = models.CharField(max_length=20, unique=True)
    chief = models.ForeignKey(Chief, models.SET_NULL, null=True, related_name="+")


def fill() -> None:
    for name in ("north", "south"):
        _open(name)
    # Crosswise: each office is led by the other's chief.
    for office, chief in (("north", "chief of south"), ("south", "chief of north")):
        Office.objects.filter(name=office).update(chief=Chief.objects.get(name=chief))


def grow() -> None:
    _open("west")


def _open(name: str) -> None:
    with transaction.atomic():
        office = Office.objects.create(name=name)
        office.chief = Chief.objects.create(name=f"chief of {name}", office=office)
        office.save()
