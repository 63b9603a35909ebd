"""Unique names for which the database does not tell upper from lower case: the two systems spell some otherwise."""

from __future__ import annotations

import os

from django.db import connection, models

COLLATION = "NOCASE" if not os.environ["ZOO_DATABASE"].startswith("postgresql") else "caseless"


class Town(models.Model):
    name = models.CharField(max_length=20, unique=True, db_collation=COLLATION)


class Street(models.Model):
    name = models.CharField(max_length=20, unique=True)
    town = models.ForeignKey(Town, models.CASCADE)


def before() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as c:
            c.execute("CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Town.objects.create(id=number, name=name.title() if names[0] == "ann" else name)
        Street.objects.create(name=name, town_id=number)


def say() -> dict[str, object]:
    return {s.name: s.town.name.lower() for s in Street.objects.all()} | {
        f"town {t.name.lower()}": 1 for t in Town.objects.all()
    }
