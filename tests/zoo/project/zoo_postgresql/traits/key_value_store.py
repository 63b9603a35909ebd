"""The hstore extension's type."""

from __future__ import annotations

from django.contrib.postgres.fields import HStoreField
from django.db import models
from zoo.keepers import AWKWARD


class Properties(models.Model):
    values = HStoreField(null=True)


def fill() -> None:
    Properties.objects.create(values={text: text[::-1] for text in AWKWARD})
    Properties.objects.create(values={"nothing": None, "": ""})
    Properties.objects.create(values={})
    Properties.objects.create()


def grow() -> None:
    Properties.objects.create(values={"new": "new"})
