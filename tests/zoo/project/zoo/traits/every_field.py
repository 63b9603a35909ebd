"""Every plain field Django has, at its limits."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db import models

from zoo.keepers import AWKWARD


class Everything(models.Model):
    big = models.BigIntegerField(null=True)
    small = models.SmallIntegerField(null=True)
    whole = models.IntegerField(null=True)
    positive = models.PositiveBigIntegerField(null=True)
    yes = models.BooleanField(null=True)
    money = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    ratio = models.FloatField(null=True)
    text = models.TextField(null=True)
    word = models.CharField(max_length=300, null=True)
    slug = models.SlugField(null=True)
    address = models.GenericIPAddressField(null=True)
    path = models.FilePathField(null=True)
    link = models.URLField(null=True)
    token = models.UUIDField(null=True)
    day = models.DateField(null=True)
    clock = models.TimeField(null=True)
    moment = models.DateTimeField(null=True)
    lasting = models.DurationField(null=True)
    raw = models.BinaryField(null=True)
    document = models.JSONField(null=True)


ROWS = (
    {},
    {
        "big": -(2**63), "small": -(2**15), "whole": -(2**31), "positive": 0, "yes": False,
        "money": Decimal("-12345678901234567890.0123456789"), "ratio": -0.0, "text": "", "word": "", "slug": "",
        "address": "::1", "path": "", "link": "", "token": uuid.UUID(int=0), "day": date(1, 1, 1), "clock": time(0),
        "moment": datetime(1, 1, 2, tzinfo=UTC), "lasting": timedelta(microseconds=-1), "raw": b"", "document": "",
    },
    {
        "big": 2**63 - 1, "small": 2**15 - 1, "whole": 2**31 - 1, "positive": 2**63 - 1, "yes": True,
        "money": Decimal("0.1"), "ratio": 1.7976931348623157e308, "text": "x" * 70_000, "word": "é😀", "slug": "a-b_c",
        "address": "10.0.0.1", "path": "/tmp/x", "link": "https://example.org/?a=%20", "token": uuid.UUID(int=2**128 - 1),
        "day": date(9999, 12, 31), "clock": time(23, 59, 59, 999999),
        "moment": datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC), "lasting": timedelta(days=9999, microseconds=7),
        "raw": bytes(range(256)), "document": {"b": [1, 1.0, 1e300, None, True], "a": {"é": "\\u0000", "": []}},
    },
    {"ratio": 5e-324, "document": [], "money": Decimal("5"), "day": date(1900, 2, 28), "raw": b"\0"},
    {"ratio": 0.1, "document": 9007199254740993, "money": Decimal("9007199254740993")},
)  # fmt: skip


def fill() -> None:
    Everything.objects.bulk_create(Everything(**row) for row in ROWS)
    Everything.objects.bulk_create(Everything(text=text, word=text, document=text) for text in AWKWARD)


def grow() -> None:
    Everything.objects.create(text="new")
