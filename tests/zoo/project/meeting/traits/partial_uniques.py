"""Unique among the rows that are not deleted: both systems have one such row and some deleted ones of the same number."""

from __future__ import annotations

from django.db import models


class Record(models.Model):
    number = models.CharField(max_length=20)
    title = models.CharField(max_length=20)
    deleted = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("number",), condition=models.Q(deleted=False), name="one_living"),
        )


class Version(models.Model):
    record = models.ForeignKey(Record, models.CASCADE)
    text = models.CharField(max_length=40, unique=True)


def fill(names: tuple[str, ...]) -> None:
    for name in names:
        for deleted in (True, True, False):
            record = Record.objects.create(number=name, title=f"of {names[0]}", deleted=deleted)
            Version.objects.create(record=record, text=f"{name} {names[0]} {record.id} {deleted}")


def say() -> dict[str, object]:
    return {v.text: [v.record.number, v.record.title, v.record.deleted] for v in Version.objects.all()}
