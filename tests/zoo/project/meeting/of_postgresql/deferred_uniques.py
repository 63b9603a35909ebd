"""Unique only at the end of a transaction: positions that rows of both systems have exchanged."""

from __future__ import annotations

from django.db import models


class Step(models.Model):
    name = models.CharField(max_length=20, unique=True)
    position = models.IntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("position",), name="one_position", deferrable=models.Deferrable.DEFERRED),
        )


KEYS = {"meeting.Step": ["name"]}


def fill(names: tuple[str, ...]) -> None:
    places = {"ann": 3, "bob": 1, "cid": 2} if names[0] == "ann" else {"dan": 4, "cid": 1, "bob": 2}
    for number, name in enumerate(names, 1):
        Step.objects.create(id=number, name=name, position=places[name])


def say() -> dict[str, object]:
    return {f"step {s.name}": [s.position] for s in Step.objects.all()}
