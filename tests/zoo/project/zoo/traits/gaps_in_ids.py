"""Ids that were given and taken back: the next row must not get the number of a deleted one."""

from __future__ import annotations

from django.db import models


class Letter(models.Model):
    subject = models.CharField(max_length=20)


def fill() -> None:
    for number in range(6):
        Letter.objects.create(subject=f"letter {number}")
    Letter.objects.filter(pk__in=(1, 3, 5, 6)).delete()


def grow() -> None:
    assert Letter.objects.create(subject="new").pk == 7
