"""A name that is unique among the rows without an owner, and once more for each owner: a key of some rows only."""

from __future__ import annotations

from django.db import models


class TemplateManager(models.Manager):
    def get_by_natural_key(self, name: str) -> Template:
        return self.get(name=name, owner__isnull=True)


class Template(models.Model):
    name = models.CharField(max_length=20)
    owner = models.CharField(max_length=20, null=True)

    objects = TemplateManager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("name",), condition=models.Q(owner__isnull=True), name="shared_name"),
            models.UniqueConstraint(fields=("owner", "name"), name="own_name"),
        )

    def natural_key(self) -> tuple[str]:
        return (self.name,)


def fill() -> None:
    for owner in (None, "Ada", "Rob"):
        for name in ("letter", "memo"):
            Template.objects.create(name=name, owner=owner)


def grow() -> None:
    Template.objects.create(name="letter", owner="Ann")
    Template.objects.create(name="new", owner=None)
