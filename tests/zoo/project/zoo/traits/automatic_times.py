"""`auto_now` and `auto_now_add`: a restore through the models would write today's date over every one of them."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models

MOMENTS = (
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
)


class Entry(models.Model):
    text = models.CharField(max_length=20)
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)
    day = models.DateField(auto_now=True)
    clock = models.TimeField(auto_now=True)


def fill() -> None:
    for moment in MOMENTS:
        _entry_of(moment)


def grow() -> None:
    _entry_of(datetime(2030, 1, 1, tzinfo=UTC))


def _entry_of(moment: datetime) -> None:
    entry = Entry.objects.create(text="at")
    Entry.objects.filter(pk=entry.pk).update(created=moment, changed=moment, day=moment.date(), clock=moment.time())
