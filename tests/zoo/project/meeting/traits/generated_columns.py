"""Columns that the database computes: one over an id that changes, one that is unique, one that is not stored (SQLite)."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.db.models.functions import Lower


class Author(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.CharField(max_length=20)
    twice = models.GeneratedField(expression=F("author_id") * 2, output_field=models.BigIntegerField(), db_persist=True)
    small = models.GeneratedField(
        expression=Lower("title"), output_field=models.CharField(max_length=20), db_persist=True, unique=True
    )


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Author.objects.create(id=number, name=name)
        Book.objects.create(author_id=number, title=f"T {name}")


def say() -> dict[str, object]:
    return {b.title: [b.author.name, b.twice == 2 * b.author_id, b.small] for b in Book.objects.all()}
