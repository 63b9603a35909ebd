"""Columns named like the words of SQL, and one whose name is anything but a word."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    select = models.CharField(max_length=20, unique=True)
    order = models.IntegerField()
    group = models.ForeignKey("self", models.CASCADE, null=True, related_name="+", db_column="references")
    table = models.BooleanField(db_column="where")
    nk = models.CharField(max_length=20)
    odd = models.CharField(max_length=20, db_column="a 'quoted' {x} :y column")

    class Meta:
        db_table = "order"


def fill() -> None:
    group = None
    for number, select in enumerate(("from", "null", "NULL")):
        group = Order.objects.create(select=select, order=-number, group=group, table=number > 1, nk="t", odd="'")


def grow() -> None:
    Order.objects.create(select="new", order=9, table=True, nk="", odd="")
