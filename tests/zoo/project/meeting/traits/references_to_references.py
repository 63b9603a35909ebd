"""Foreign keys to a unique column that is itself a foreign key, and to one that settings declare: the values are ids of other rows."""

from __future__ import annotations

from django.db import models


class Holder(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Card(models.Model):
    holder = models.OneToOneField(Holder, models.CASCADE)
    number = models.CharField(max_length=20, unique=True)
    holder_ref = models.IntegerField(unique=True)


class Swipe(models.Model):
    card = models.ForeignKey(Card, models.CASCADE, to_field="holder")
    other = models.ForeignKey(Card, models.CASCADE, to_field="holder_ref", related_name="+")
    text = models.CharField(max_length=20, unique=True)


DECLARED = ({"column": "meeting.Card.holder_ref", "target": "meeting.Holder"},)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Holder.objects.create(id=number, name=name)
        Card.objects.create(id=number + 10, holder_id=number, number=name, holder_ref=number)
    for number, name in enumerate(names, 1):
        Swipe.objects.create(card_id=number, other_id=number % 3 + 1, text=name)


def say() -> dict[str, object]:
    return {s.text: [s.card.number, s.card.holder.name, s.other.number] for s in Swipe.objects.all()}
