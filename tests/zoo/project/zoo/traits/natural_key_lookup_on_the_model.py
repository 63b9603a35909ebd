"""`get_by_natural_key` on the model instead of the manager, where Django never looks: loaddata fails."""

from __future__ import annotations

from django.db import models


class Department(models.Model):
    name = models.CharField(max_length=20, unique=True)

    @classmethod
    def get_by_natural_key(cls, name: str) -> Department:
        return cls.objects.get(name=name)

    def natural_key(self) -> tuple[str]:
        return (self.name,)


def fill() -> None:
    for name in ("Quality", "Purchasing", "quality"):
        Department.objects.create(name=name)


def grow() -> None:
    Department.objects.create(name="new")
