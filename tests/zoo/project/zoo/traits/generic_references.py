"""References to rows of any model, by content type and an id that is a number, a text or a UUID; some have no row."""

from __future__ import annotations

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Plant(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Mineral(models.Model):
    code = models.CharField(max_length=40, primary_key=True)


class Animal(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=20, unique=True)


class Note(models.Model):
    """Points at rows with counted ids only."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    target = GenericForeignKey()


class Trace(models.Model):
    """Points at anything: the id is a text."""

    content_type = models.ForeignKey(ContentType, models.CASCADE, null=True)
    object_id = models.CharField(max_length=40, null=True)
    target = GenericForeignKey()


class Sighting(models.Model):
    """Points at UUIDs only, and its columns are named otherwise."""

    kind = models.ForeignKey(ContentType, models.CASCADE)
    seen = models.UUIDField()
    target = GenericForeignKey("kind", "seen")


class LookAlike(models.Model):
    """The same two columns, without the field that says what they are."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()


def fill() -> None:
    plants = [Plant.objects.create(name=name) for name in ("fern", "oak", "moss")]
    plants[0].delete()  # so that ids and positions are not the same
    minerals = [Mineral.objects.create(code=code) for code in ("Q", "7", "00000000-0000-0000-0000-000000000007")]
    animals = [Animal.objects.create(id=uuid.UUID(int=number), name=f"animal {number % 9}") for number in (7, 2**127)]
    for plant in plants[1:]:
        Note.objects.create(target=plant)
        LookAlike.objects.create(content_type=ContentType.objects.get_for_model(Plant), object_id=plant.pk)
    for target in (*plants[1:], *minerals, *animals):
        Trace.objects.create(target=target)
    # UUIDs as other programs write them: without dashes.
    Trace.objects.create(content_type=ContentType.objects.get_for_model(Animal), object_id=animals[1].pk.hex)
    for animal in animals:
        Sighting.objects.create(target=animal)
    # What was pointed at is gone, and what was never filled in.
    Note.objects.create(content_type=ContentType.objects.get_for_model(Plant), object_id=1)
    Trace.objects.create(content_type=ContentType.objects.get_for_model(Plant), object_id="no number")
    Trace.objects.create()


def grow() -> None:
    Note.objects.create(target=Plant.objects.create(name="new"))
