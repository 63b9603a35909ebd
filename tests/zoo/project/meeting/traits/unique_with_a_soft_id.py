"""Composite unique constraints one part of which is an id that only a declaration knows, and one with a foreign key."""

from __future__ import annotations

from django.db import models


class Owner(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Place(models.Model):
    owner_id = models.IntegerField()
    position = models.IntegerField()
    text = models.CharField(max_length=40)

    class Meta:
        unique_together = (("owner_id", "position"),)


class Chair(models.Model):
    owner = models.ForeignKey(Owner, models.CASCADE)
    position = models.IntegerField()
    text = models.CharField(max_length=40)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("owner", "position"), name="one_chair"),)


DECLARED = ({"column": "meeting.Place.owner_id", "target": "meeting.Owner"},)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Owner.objects.create(id=number, name=name)
        for position in (1, 2):
            Place.objects.create(owner_id=number, position=position, text=f"{name} {position}")
            Chair.objects.create(owner_id=number, position=position, text=f"{name} {position}")


def say() -> dict[str, object]:
    known = dict(Owner.objects.values_list("id", "name"))
    return {
        f"{kind.__name__} {known.get(one.owner_id)} {one.position}": one.text
        for kind in (Place, Chair)
        for one in kind.objects.all()
    }
