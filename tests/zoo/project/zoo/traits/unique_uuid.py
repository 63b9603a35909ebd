"""Rows known by a random UUID beside their pk: the last resort before the pk itself."""

from __future__ import annotations

import uuid

from django.db import models


class Envelope(models.Model):
    token = models.UUIDField(unique=True)
    subject = models.CharField(max_length=20)


def fill() -> None:
    for number in (0, 1, 2**128 - 1):
        Envelope.objects.create(token=uuid.UUID(int=number), subject=f"number {number % 7}")


def grow() -> None:
    Envelope.objects.create(token=uuid.UUID(int=77), subject="new")
