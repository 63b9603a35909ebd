"""A lookup that does not come back to the row: it ignores case, and the rows do not."""

from __future__ import annotations

from django.db import models


class TermManager(models.Manager):
    def get_by_natural_key(self, word: str) -> Term | None:
        return self.filter(word__iexact=word).order_by("pk").first()


class Term(models.Model):
    word = models.CharField(max_length=20, unique=True)

    objects = TermManager()

    def natural_key(self) -> tuple[str]:
        return (self.word,)


def fill() -> None:
    for word in ("Draft", "draft", "DRAFT", "Final"):
        Term.objects.create(word=word)


def grow() -> None:
    Term.objects.create(word="final")
