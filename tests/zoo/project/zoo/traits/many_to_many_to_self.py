"""Relations of a model with itself, symmetrical and not: one table, two columns that mean different ends."""

from __future__ import annotations

from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=20, unique=True)
    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")


def fill() -> None:
    ada, rob, ann = (Person.objects.create(name=name) for name in ("Ada", "Rob", "Ann"))
    ada.friends.add(rob, ann)
    ada.follows.add(rob)
    rob.follows.add(ann, rob)


def grow() -> None:
    Person.objects.create(name="new").follows.add(Person.objects.get(name="Ada"))
