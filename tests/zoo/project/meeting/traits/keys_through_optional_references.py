"""Keys through references that may be empty, and uniques with several optional parts."""

from __future__ import annotations

from django.db import models


class Top(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Mid(models.Model):
    top = models.ForeignKey(Top, models.SET_NULL, null=True)
    name = models.CharField(max_length=20)

    class Meta:
        unique_together = (("top", "name"),)


class Low(models.Model):
    mid = models.ForeignKey(Mid, models.CASCADE)
    up = models.ForeignKey("self", models.SET_NULL, null=True)
    name = models.CharField(max_length=20)

    class Meta:
        unique_together = (("mid", "up", "name"),)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Top.objects.create(id=number, name=name)
        Mid.objects.create(id=number, top_id=number, name="same")
        Mid.objects.create(id=number + 10, top_id=None, name=name)
    for number in (1, 2, 3):
        first = Low.objects.create(mid_id=number, name="root")
        Low.objects.create(mid_id=number, up=first, name="child")
        Low.objects.create(mid_id=number + 10, up=first, name="other child")


def say() -> dict[str, object]:
    return {
        f"{low.mid.top and low.mid.top.name} {low.mid.name} {low.name}": [
            low.up and low.up.name,
            low.up and low.up.mid.top.name,
        ]
        for low in Low.objects.all()
    }
