"""A `natural_key()` that returns the value itself: Django spreads its letters over the lookup's parameters."""

from __future__ import annotations

from django.db import models


class LanguageManager(models.Manager):
    def get_by_natural_key(self, code: str) -> Language:
        return self.get(code=code)


class Language(models.Model):
    code = models.CharField(max_length=20)

    objects = LanguageManager()

    def natural_key(self) -> str:
        return self.code


def fill() -> None:
    for code in ("de", "en"):
        Language.objects.create(code=code)


def grow() -> None:
    Language.objects.create(code="fr")
