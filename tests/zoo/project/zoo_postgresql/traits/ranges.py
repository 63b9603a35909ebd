"""PostgreSQL ranges: open and closed ends, no ends, empty ones; and an exclusion constraint over them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, DecimalRangeField, RangeOperators
from django.db import models
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange, NumericRange


class Booking(models.Model):
    period = DateTimeRangeField()
    seats = BigIntegerRangeField(null=True)
    price = DecimalRangeField(null=True)

    class Meta:
        constraints = (ExclusionConstraint(name="no_overlap", expressions=(("period", RangeOperators.OVERLAPS),)),)


def fill() -> None:
    for month in (1, 3):
        period = DateTimeTZRange(datetime(2024, month, 1, tzinfo=UTC), datetime(2024, month, 9, 0, 0, 0, 1, tzinfo=UTC))
        Booking.objects.create(
            period=period, seats=NumericRange(-5, month, "[]"), price=NumericRange(None, Decimal("1.50"))
        )
    Booking.objects.create(period=DateTimeTZRange(empty=True), seats=NumericRange(empty=True), price=NumericRange())
    Booking.objects.create(period=DateTimeTZRange(datetime(2025, 1, 1, tzinfo=UTC), None, "()"))


def grow() -> None:
    Booking.objects.create(period=DateTimeTZRange(None, datetime(2000, 1, 1, tzinfo=UTC)))
