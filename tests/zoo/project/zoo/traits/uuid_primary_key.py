"""Random UUIDs as primary keys, and references that hold them."""

from __future__ import annotations

import uuid

from django.db import models


class Session(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    after = models.ForeignKey("self", models.SET_NULL, null=True)


def fill() -> None:
    after = None
    for number in (2**128 - 1, 0, 7):
        after = Session.objects.create(id=uuid.UUID(int=number), after=after)


def grow() -> None:
    Session.objects.create(id=uuid.UUID(int=8), after_id=uuid.UUID(int=7))
