"""The healthy one, to tell the others by: unique, on the manager, through a reference, with its dependency declared."""

from __future__ import annotations

from django.db import models

from zoo.keepers import AWKWARD


class AuthorManager(models.Manager):
    def get_by_natural_key(self, name: str) -> Author:
        return self.get(name=name)


class Author(models.Model):
    name = models.TextField(unique=True)

    objects = AuthorManager()

    def natural_key(self) -> tuple[str]:
        return (self.name,)


class BookManager(models.Manager):
    def get_by_natural_key(self, title: str, author: str) -> Book:
        return self.get(title=title, author__name=author)


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.TextField()

    objects = BookManager()

    class Meta:
        unique_together = (("author", "title"),)

    def natural_key(self) -> tuple[str, ...]:
        return (self.title, *self.author.natural_key())

    natural_key.dependencies = ("zoo.author",)


def fill() -> None:
    authors = Author.objects.bulk_create(Author(name=name) for name in AWKWARD)
    Book.objects.bulk_create(
        Book(author=author, title=title) for author in authors for title in ("t", "u" + author.name)
    )


def grow() -> None:
    Book.objects.create(author=Author.objects.create(name="new"), title="new")
