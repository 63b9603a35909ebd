"""A key that passes through a reference to the same model: the path of a folder, as deep as the tree."""

from __future__ import annotations

from django.db import models


class FolderManager(models.Manager):
    def get_by_natural_key(self, name: str, parent: int | None) -> Folder:
        return self.get(name=name, parent=parent)


class Folder(models.Model):
    name = models.CharField(max_length=20)
    parent = models.ForeignKey("self", models.CASCADE, null=True)

    objects = FolderManager()

    def natural_key(self) -> tuple[str, int | None]:
        return (self.name, self.parent_id)


def fill() -> None:
    for root in ("a", "b"):
        parent = Folder.objects.create(name=root)
        for name in ("same", "same"):
            parent = Folder.objects.create(name=name, parent=parent)


def grow() -> None:
    Folder.objects.create(name="new", parent=Folder.objects.first())
