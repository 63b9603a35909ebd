"""A key through a reference that may be missing: the rows without it have a NULL inside their key."""

from __future__ import annotations

from django.db import models


class Owner(models.Model):
    name = models.CharField(max_length=20, unique=True)


class ToolManager(models.Manager):
    def get_by_natural_key(self, name: str, owner: str | None) -> Tool:
        return self.get(name=name, owner__name=owner)


class Tool(models.Model):
    name = models.CharField(max_length=20)
    owner = models.ForeignKey(Owner, models.SET_NULL, null=True)

    objects = ToolManager()

    class Meta:
        unique_together = (("name", "owner"),)

    def natural_key(self) -> tuple[str, str | None]:
        return (self.name, self.owner.name if self.owner else None)


def fill() -> None:
    for owner in (None, Owner.objects.create(name="Ada"), Owner.objects.create(name="Rob")):
        for name in ("hammer", "saw"):
            Tool.objects.create(name=name, owner=owner)


def grow() -> None:
    Tool.objects.create(name="file", owner=None)
