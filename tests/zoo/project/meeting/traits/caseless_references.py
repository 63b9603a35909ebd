"""References to a unique text that the database compares without case: they are spelled otherwise than what they refer to."""

from __future__ import annotations

import os

from django.db import connection, models

COLLATION = "NOCASE" if not os.environ["ZOO_DATABASE"].startswith("postgresql") else "caseless2"


class Land(models.Model):
    name = models.CharField(max_length=20, unique=True, db_collation=COLLATION)
    text = models.CharField(max_length=20)


class River(models.Model):
    name = models.CharField(max_length=20, unique=True)
    land = models.ForeignKey(Land, models.CASCADE, to_field="name")


class Bridge(models.Model):
    river = models.ForeignKey(River, models.CASCADE)
    land = models.ForeignKey(Land, models.CASCADE)
    number = models.IntegerField()

    class Meta:
        unique_together = (("land", "number"),)


class Flood(models.Model):
    land = models.ForeignKey(Land, models.CASCADE, to_field="name")
    year = models.IntegerField()


class Legend(models.Model):
    land = models.ForeignKey(Land, models.DO_NOTHING, to_field="name", db_constraint=False, related_name="+")
    text = models.CharField(max_length=20)


def before() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as c:
            c.execute("CREATE COLLATION caseless2 (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Land.objects.create(id=number, name=name, text=name)
        River.objects.create(id=number, name=name, land_id=name.upper())
        Bridge.objects.create(river_id=number, land_id=number, number=1)
        Flood.objects.create(land_id=name.upper(), year=2000)
        Legend.objects.create(land_id=f"not {name}", text="a legend")


def say() -> dict[str, object]:
    with connection.cursor() as c:
        c.execute(
            "SELECT r.name, l.text, r.land_id FROM meeting_river r LEFT JOIN meeting_land l ON l.name = r.land_id"
        )
        said = {n: rest for n, *rest in c.fetchall()}
        c.execute(
            "SELECT l.text, count(*) FROM meeting_flood f LEFT JOIN meeting_land l ON l.name = f.land_id GROUP BY 1"
        )
        said |= {f"floods of {n}": count for n, count in c.fetchall()}
    said |= {f"legend of {one.land_id}": one.text for one in Legend.objects.all()}
    return said | {f"b {b.river.name}": b.land.text for b in Bridge.objects.all()}
