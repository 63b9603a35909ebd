"""Rows that every manager hides: deleted for people, kept for the auditor; other rows still point at them."""

from __future__ import annotations

from django.db import models


class LivingManager(models.Manager):
    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().filter(deleted_at=None)

    def get_by_natural_key(self, number: str) -> Contract:
        return self.get(number=number)


class Contract(models.Model):
    number = models.CharField(max_length=20, unique=True)
    deleted_at = models.DateTimeField(null=True)

    objects = LivingManager()

    class Meta:
        base_manager_name = "objects"

    def natural_key(self) -> tuple[str]:
        return (self.number,)

    def delete(self, *args: object, **options: object) -> None:
        type(self).objects.filter(pk=self.pk).update(deleted_at="2024-02-29T12:00:00.000001Z")


class Clause(models.Model):
    contract = models.ForeignKey(Contract, models.CASCADE)
    position = models.IntegerField()

    class Meta:
        unique_together = (("contract", "position"),)


def fill() -> None:
    for number in ("living", "deleted", "deleted too"):
        contract = Contract.objects.create(number=number)
        Clause.objects.create(contract=contract, position=1)
        if "deleted" in number:
            contract.delete()


def grow() -> None:
    Clause.objects.create(contract=Contract.objects.create(number="new"), position=1)
