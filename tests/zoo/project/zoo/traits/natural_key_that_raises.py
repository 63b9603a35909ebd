"""A `natural_key()` that fails on real rows: an optional reference it takes for granted."""

from __future__ import annotations

from django.db import models


class ChapterManager(models.Manager):
    def get_by_natural_key(self, title: str, after: str) -> Chapter:
        return self.get(title=title, after__title=after)


class Chapter(models.Model):
    title = models.CharField(max_length=20, unique=True)
    after = models.ForeignKey("self", models.SET_NULL, null=True)

    objects = ChapterManager()

    def natural_key(self) -> tuple[str, str]:
        return (self.title, self.after.title)


def fill() -> None:
    after = None
    for title in ("one", "two", "three"):
        after = Chapter.objects.create(title=title, after=after)


def grow() -> None:
    Chapter.objects.create(title="four", after=Chapter.objects.get(title="three"))
