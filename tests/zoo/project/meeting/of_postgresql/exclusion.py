"""An exclusion constraint: bookings of the two systems overlap."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange


class Stay(models.Model):
    guest = models.CharField(max_length=20, unique=True)
    period = DateTimeRangeField()

    class Meta:
        constraints = (ExclusionConstraint(name="no_overlap", expressions=(("period", RangeOperators.OVERLAPS),)),)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Stay.objects.create(
            guest=name,
            period=DateTimeTZRange(datetime(2024, number, 1, tzinfo=UTC), datetime(2024, number, 9, tzinfo=UTC)),
        )


def say() -> dict[str, object]:
    return {s.guest: str(s.period) for s in Stay.objects.all()}
