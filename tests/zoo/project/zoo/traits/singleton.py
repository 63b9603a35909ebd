"""Settings in one row that refuses to be deleted: emptying the table through Django changes nothing, and says nothing."""

from __future__ import annotations

from django.db import models


class SiteSettings(models.Model):
    title = models.CharField(max_length=20)
    theme = models.JSONField(null=True)

    def save(self, *args: object, **options: object) -> None:
        self.pk = 1
        super().save(*args, **options)

    def delete(self, *args: object, **options: object) -> tuple[int, dict[str, int]]:
        return (0, {})


def fill() -> None:
    SiteSettings(title="first").save()
    SiteSettings(title="the only one", theme={"b": [1, None, 1.0], "a": "é"}).save()


def grow() -> None:
    # A second row past the model's own care, as a careless script leaves it.
    SiteSettings.objects.bulk_create([SiteSettings(pk=2, title="second")])
