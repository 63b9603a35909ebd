"""Ids of every kind: AUTOINCREMENT and identities, small ones, zero and negative ones, very large ones; one more row afterwards."""

from __future__ import annotations

from django.db import models


class Small(models.Model):
    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=20, unique=True)


class Big(models.Model):
    name = models.CharField(max_length=20, unique=True)
    small = models.ForeignKey(Small, models.CASCADE)


class Signed(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=20, unique=True)
    big = models.ForeignKey(Big, models.CASCADE)
    signed = models.ForeignKey("self", models.CASCADE, null=True)


KEYS = {"meeting.Signed": ["name"]}


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Small.objects.create(id=32768 - number, name=name)
        Big.objects.create(id=2**62 + number, name=name, small_id=32768 - number)
        Signed.objects.create(id=(-1, 0, -(2**62))[number - 1], name=name, big_id=2**62 + number, signed_id=-1)


def say() -> dict[str, object]:
    return {s.name: [s.big.name, s.big.small.name, s.signed.name] for s in Signed.objects.all()}
