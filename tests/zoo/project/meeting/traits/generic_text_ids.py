"""Generic references whose id is a text, to numbers, UUIDs and codes; unique together with a holder."""

from __future__ import annotations

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Plant(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Animal(models.Model):
    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=20, unique=True)


class Trace(models.Model):
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    of = GenericForeignKey()


class Right(models.Model):
    holder = models.CharField(max_length=20)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_pk = models.CharField(max_length=40)
    of = GenericForeignKey("content_type", "object_pk")

    class Meta:
        unique_together = (("holder", "content_type", "object_pk"),)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        plant, animal = Plant.objects.create(id=number, name=name), Animal.objects.create(id=uuid.uuid4(), name=name)
        Trace.objects.create(name=f"plant {name}", of=plant)
        Trace.objects.create(name=f"animal {name}", of=animal)
        Trace.objects.create(
            name=f"bare {name}", content_type=ContentType.objects.get_for_model(Animal), object_id=animal.id.hex
        )
        Right.objects.create(holder="h", of=plant)
        Right.objects.create(holder="h", of=animal)


def say() -> dict[str, object]:
    said = {t.name: [t.of.__class__.__name__, t.of and t.of.name] for t in Trace.objects.all()}
    return said | {f"{r.holder} {r.of.__class__.__name__} {r.of and r.of.name}": 1 for r in Right.objects.all()}
