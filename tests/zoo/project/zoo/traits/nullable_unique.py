"""Unique columns that may be NULL: the database lets many rows leave them so, and they are no key of all rows."""

from __future__ import annotations

from django.db import models


class Vehicle(models.Model):
    plate = models.CharField(max_length=20, null=True, unique=True)


class Seat(models.Model):
    vehicle = models.ForeignKey(Vehicle, models.CASCADE, null=True)
    number = models.IntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("vehicle", "number"), name="one_seat"),)


def fill() -> None:
    for plate in ("B-1", None, None, ""):
        Vehicle.objects.create(plate=plate)
    for vehicle in (None, None, Vehicle.objects.get(plate="B-1")):
        Seat.objects.create(vehicle=vehicle, number=1)


def grow() -> None:
    Seat.objects.create(vehicle=Vehicle.objects.create(plate=None), number=1)
    Seat.objects.create(vehicle=None, number=1)
