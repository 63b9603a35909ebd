"""Tables that share their id with their parents', proxies, and generic references to children and to proxies."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Item(models.Model):
    number = models.CharField(max_length=20, unique=True)


class Contract(Item):
    partner = models.CharField(max_length=20)


class Lease(Contract):
    months = models.IntegerField()
    after = models.ForeignKey("self", models.SET_NULL, null=True)


class OldContract(Contract):
    class Meta:
        proxy = True


class Label(models.Model):
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    of = GenericForeignKey(for_concrete_model=False)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Item.objects.create(id=number, number=f"item {name}")
        Contract.objects.create(id=number + 10, number=f"contract {name}", partner=name)
        before = Lease.objects.filter(id=number + 19).first()
        Lease.objects.create(id=number + 20, number=f"lease {name}", partner=name, months=number, after=before)
    for number, name in enumerate(names, 1):
        for kind, pk in ((Item, number), (Contract, number + 10), (OldContract, number + 10), (Lease, number + 20)):
            Label.objects.create(name=f"{kind.__name__} {name}", of=kind.objects.get(pk=pk))


def say() -> dict[str, object]:
    said = {one.number: [one.__class__.__name__] for one in Item.objects.all()}
    for one in Contract.objects.all():
        said[one.number].append(one.partner)
    for one in Lease.objects.all():
        said[one.number] += [one.months, one.after and one.after.number]
    return said | {one.name: [one.content_type.model, one.of and one.of.number] for one in Label.objects.all()}
