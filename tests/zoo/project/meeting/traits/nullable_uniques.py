"""Unique columns that may be empty: some rows are known by them, others only by all they say; and a pair with an empty part."""

from __future__ import annotations

from django.db import models


class Person(models.Model):
    email = models.CharField(max_length=40, unique=True, null=True)
    name = models.CharField(max_length=20)


class Badge(models.Model):
    person = models.ForeignKey(Person, models.CASCADE)
    text = models.CharField(max_length=40, unique=True)


class Slot(models.Model):
    day = models.DateField(null=True)
    number = models.IntegerField()
    text = models.CharField(max_length=20)

    class Meta:
        unique_together = (("day", "number"),)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Person.objects.create(id=number, email=f"{name}@example.org", name=name)
        Person.objects.create(id=number + 10, email=None, name=name)
        Badge.objects.create(person_id=number, text=f"with {name}")
        Badge.objects.create(person_id=number + 10, text=f"without {name}")
    Slot.objects.create(day=None, number=1, text=names[0])
    Slot.objects.create(day=None, number=1, text="both")
    Slot.objects.create(day="2024-02-29", number=1, text="both")


def say() -> dict[str, object]:
    said = {b.text: [b.person.email, b.person.name] for b in Badge.objects.all()}
    return said | {
        f"{s.day} {s.number} {s.text}": Slot.objects.filter(day=s.day, number=s.number, text=s.text).count()
        for s in Slot.objects.all()
    }
