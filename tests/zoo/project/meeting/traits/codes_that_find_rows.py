"""Codes that are of no row in one system, and of one in the other."""

from __future__ import annotations

from django.db import connection, models


class Zone(models.Model):
    code = models.CharField(max_length=20, unique=True)


class Trip(models.Model):
    name = models.CharField(max_length=20, unique=True)
    zone = models.ForeignKey(Zone, models.DO_NOTHING, to_field="code", db_constraint=False)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Zone.objects.create(id=number, code=name)
    Trip.objects.create(name=f"to nowhere from {names[0]}", zone_id="dan" if names[0] == "ann" else "ann")


def say() -> dict[str, object]:
    with connection.cursor() as c:
        c.execute("SELECT t.name, z.code FROM meeting_trip t LEFT JOIN meeting_zone z ON z.code = t.zone_id")
        return dict(c.fetchall())
