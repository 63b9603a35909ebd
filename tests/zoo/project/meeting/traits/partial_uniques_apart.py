"""Unique among the rows that are not deleted: no such row is in both systems."""

from __future__ import annotations

from django.db import models


class File(models.Model):
    number = models.CharField(max_length=20)
    deleted = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("number",), condition=models.Q(deleted=False), name="one_living_file"),
        )


class Part(models.Model):
    file = models.ForeignKey(File, models.CASCADE)
    text = models.CharField(max_length=40, unique=True)


def fill(names: tuple[str, ...]) -> None:
    for name in names:
        for deleted in (True, True, False):
            if deleted or name in ("ann", "dan"):
                file = File.objects.create(number=name, deleted=deleted)
                Part.objects.create(file=file, text=f"{name} {names[0]} {file.id} {deleted}")


def say() -> dict[str, object]:
    return {p.text: [p.file.number, p.file.deleted] for p in Part.objects.all()}
