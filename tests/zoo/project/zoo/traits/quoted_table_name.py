"""Table names with capitals, spaces and quotes of their own, as inherited databases have them, and references to them."""

from __future__ import annotations

from django.db import models


class Capital(models.Model):
    name = models.CharField(max_length=20, unique=True)

    class Meta:
        db_table = "Zoo Capital"


class Quoted(models.Model):
    name = models.CharField(max_length=20, unique=True)
    capital = models.ForeignKey(Capital, models.CASCADE)
    loose = models.ForeignKey(Capital, models.DO_NOTHING, db_constraint=False, related_name="+", null=True)

    class Meta:
        db_table = '"ZOO_QUOTED"'


class Pointer(models.Model):
    quoted = models.ForeignKey(Quoted, models.CASCADE)
    loose = models.ForeignKey(Quoted, models.DO_NOTHING, db_constraint=False, related_name="+")

    class Meta:
        db_table = "Zoo.Pointer's"


def fill() -> None:
    for name in ("Berlin", "Paris"):
        quoted = Quoted.objects.create(name=name, capital=Capital.objects.create(name=name))
        Pointer.objects.create(quoted=quoted, loose=quoted)
    Quoted.objects.filter(name="Paris").update(loose=Capital.objects.get(name="Berlin"))


def grow() -> None:
    quoted = Quoted.objects.create(name="new", capital=Capital.objects.create(name="new"))
    Pointer.objects.create(quoted=quoted, loose=quoted)
