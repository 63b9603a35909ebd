"""A unique column that the database computes: the key by which rows are known is never written."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Upper


class Keyword(models.Model):
    word = models.CharField(max_length=20)
    key = models.GeneratedField(
        expression=Upper("word"), output_field=models.CharField(max_length=20), db_persist=True, unique=True
    )


class Tagging(models.Model):
    keyword = models.ForeignKey(Keyword, models.CASCADE, to_field="key")
    weight = models.IntegerField()


def fill() -> None:
    for word in ("alpha", "Beta"):
        keyword = Keyword.objects.create(word=word)
        keyword.refresh_from_db()
        for weight in (1, 1):
            Tagging.objects.create(keyword=keyword, weight=weight)


def grow() -> None:
    Keyword.objects.create(word="new")
