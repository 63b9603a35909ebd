"""Natural keys of times, decimals, floats, bytes, empty texts, texts that look like JSON; references through them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import models


class Moment(models.Model):
    at = models.DateTimeField()
    price = models.DecimalField(max_digits=9, decimal_places=3)
    weight = models.FloatField()
    raw = models.BinaryField()
    took = models.DurationField()
    flag = models.BooleanField()
    text = models.CharField(max_length=40)
    what = models.CharField(max_length=20)

    class Meta:
        unique_together = (("at", "price", "weight", "raw", "took", "flag", "text"),)


class Seen(models.Model):
    moment = models.ForeignKey(Moment, models.CASCADE)
    text = models.CharField(max_length=40)

    class Meta:
        unique_together = (("moment", "text"),)


TEXTS = {"ann": "", "bob": '","', "cid": "['x', \\\"y\\\"]\n\u202eé", "dan": " "}


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        n = ord(name[0])
        Moment.objects.create(
            id=number,
            at=datetime(2024, 1, 1, 0, 0, 0, n, tzinfo=UTC),
            price=Decimal(n) / 1000,
            weight=n / 7,
            raw=name.encode(),
            took=timedelta(microseconds=n),
            flag=n % 2,
            text=TEXTS[name],
            what=name,
        )
        Seen.objects.create(moment_id=number, text=TEXTS[name])


def say() -> dict[str, object]:
    return {
        s.moment.what: [
            str(s.moment.at),
            str(s.moment.price),
            s.moment.weight,
            bytes(s.moment.raw).decode(),
            str(s.moment.took),
            s.moment.flag,
            s.moment.text,
            s.text,
        ]
        for s in Seen.objects.all()
    }
