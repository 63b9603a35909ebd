"""Unique values that the database computes, or compares in some rows only, move on from row to row; those of idle rows are exchanged."""

from __future__ import annotations

from django.db import connection, models
from django.db.models.functions import Lower


class Shift(models.Model):
    name = models.CharField(max_length=20, unique=True)
    word = models.CharField(max_length=20)
    motto = models.CharField(max_length=20)
    lamp = models.IntegerField()
    on = models.BooleanField()

    class Meta:
        constraints = (
            models.UniqueConstraint(Lower("word"), name="word_of_shift"),
            models.UniqueConstraint(fields=["lamp"], condition=models.Q(on=True), name="lamp_of_shift"),
        )


KEYS = {"meeting.Shift": ["name"]}


def after() -> None:
    kind = "VIRTUAL" if connection.vendor == "sqlite" else "STORED"
    with connection.cursor() as c:
        c.execute(f"ALTER TABLE meeting_shift ADD COLUMN small varchar(20) GENERATED ALWAYS AS (lower(motto)) {kind}")
        c.execute("CREATE UNIQUE INDEX motto_of_shift ON meeting_shift (small)")


def fill(names: tuple[str, ...]) -> None:
    places = {"ann": 3, "bob": 2, "cid": 1} if names[0] == "ann" else {"bob": 1, "cid": 9, "dan": 7}
    lamps = {"ann": 5, "bob": 1, "cid": 2} if names[0] == "ann" else {"bob": 2, "cid": 1, "dan": 8}
    for number, name in enumerate(names, 1):
        word = f"Word {places[name]}" if names[0] == "ann" else f"WORD {places[name]}"
        Shift.objects.create(id=number, name=name, word=word, motto=word, lamp=lamps[name], on=name != "bob")


def say() -> dict[str, object]:
    return {f"shift {s.name}": [s.word, s.motto, s.lamp, s.on] for s in Shift.objects.all()}
