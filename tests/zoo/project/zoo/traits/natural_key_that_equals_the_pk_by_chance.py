"""A key of a counted column whose numbers happen to be those of the pk: the column is meant, not the pk."""

from __future__ import annotations

from django.db import models


class Position(models.Model):
    number = models.IntegerField()

    def natural_key(self) -> tuple[int]:
        return (self.number,)


def fill() -> None:
    for number in (1, 2, 3):
        assert Position.objects.create(number=number).pk == number


def grow() -> None:
    Position.objects.create(number=4)
