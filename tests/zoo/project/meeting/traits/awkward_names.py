"""Tables and columns whose names need quotes; references and soft references between them."""

from __future__ import annotations

from django.db import models


class Group(models.Model):
    name = models.CharField(max_length=20, unique=True, db_column="the Name 100")

    class Meta:
        db_table = "Meeting Order 2"


class Order(models.Model):
    select = models.CharField(max_length=20, unique=True)
    group = models.ForeignKey(Group, models.CASCADE, db_column="where")
    others = models.ManyToManyField(Group, related_name="+")
    ids = models.CharField(max_length=40, db_column="Group ids")

    class Meta:
        db_table = "select"


DECLARED = ({"column": "meeting.Order.ids", "target": "meeting.Group", "separator": ";"},)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Group.objects.create(id=number, name=name)
    for number, name in enumerate(names, 1):
        order = Order.objects.create(select=name, group_id=number, ids=f"{number};{number % 3 + 1}")
        order.others.add(number % 3 + 1)


def say() -> dict[str, object]:
    known = {str(g.id): g.name for g in Group.objects.all()}
    return {o.select: [o.group.name, [known.get(i) for i in o.ids.split(";")]] for o in Order.objects.all()}
