"""A key of two parts and a lookup that takes one."""

from __future__ import annotations

from django.db import models


class FormManager(models.Manager):
    def get_by_natural_key(self, number: str) -> Form:
        return self.get(number=number)


class Form(models.Model):
    number = models.CharField(max_length=20)
    revision = models.IntegerField()

    objects = FormManager()

    class Meta:
        unique_together = (("number", "revision"),)

    def natural_key(self) -> tuple[str, int]:
        return (self.number, self.revision)


def fill() -> None:
    for number, revision in (("F-1", 1), ("F-1", 2), ("F-2", 1)):
        Form.objects.create(number=number, revision=revision)


def grow() -> None:
    Form.objects.create(number="F-3", revision=3)
