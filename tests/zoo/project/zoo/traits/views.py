"""Views, one on top of the other, and a model that reads one: what they show is not stored, and must not be."""

from __future__ import annotations

from django.db import models

from zoo.keepers import execute


class Shipment(models.Model):
    number = models.CharField(max_length=20, unique=True)
    weight = models.FloatField()


class HeavyShipment(models.Model):
    number = models.CharField(max_length=20)
    weight = models.FloatField()

    class Meta:
        managed = False
        db_table = "zoo_heavy"


VIEWS = ("zoo_heavy", "zoo_heavy_count")


def fill() -> None:
    execute(
        "CREATE VIEW zoo_heavy AS SELECT id, number, weight FROM zoo_shipment WHERE weight > 10",
        "CREATE VIEW zoo_heavy_count AS SELECT count(*) AS n FROM zoo_heavy",
    )
    for number, weight in (("light", 0.1), ("heavy", 10.5), ("heavier", 1e300)):
        Shipment.objects.create(number=number, weight=weight)


def grow() -> None:
    Shipment.objects.create(number="new", weight=11)
