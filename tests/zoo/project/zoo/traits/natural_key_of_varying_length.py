"""A key that leaves its optional part out: no tuple of columns is equal to it."""

from __future__ import annotations

from django.db import models


class RoomManager(models.Manager):
    def get_by_natural_key(self, building: str, number: str | None = None) -> Room:
        return self.get(building=building, number=number or "")


class Room(models.Model):
    building = models.CharField(max_length=20)
    number = models.CharField(max_length=20, blank=True)

    objects = RoomManager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("building", "number"), name="one_room"),)

    def natural_key(self) -> tuple[str, ...]:
        return (self.building, self.number) if self.number else (self.building,)


def fill() -> None:
    for building, number in (("A", "1"), ("A", ""), ("B", "")):
        Room.objects.create(building=building, number=number)


def grow() -> None:
    Room.objects.create(building="C", number="1")
