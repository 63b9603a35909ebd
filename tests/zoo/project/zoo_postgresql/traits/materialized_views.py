"""Materialised views: one on another, with an index, and one that was never filled."""

from __future__ import annotations

from django.db import models
from zoo.keepers import execute


class Measurement(models.Model):
    sensor = models.CharField(max_length=20)
    value = models.FloatField()


VIEWS = ("zoo_sums", "zoo_total", "zoo_unfilled")


def fill() -> None:
    for number in range(6):
        Measurement.objects.create(sensor=f"sensor {number % 2}", value=number / 10)
    execute(
        # The name that sorts last is what the other is built on.
        "CREATE MATERIALIZED VIEW zoo_sums AS SELECT sensor, sum(value) AS s FROM zoo_postgresql_measurement GROUP BY sensor",
        "CREATE UNIQUE INDEX zoo_sums_sensor ON zoo_sums (sensor)",
        "CREATE MATERIALIZED VIEW zoo_total AS SELECT count(*) AS n, sum(s) AS s FROM zoo_sums",
        "CREATE MATERIALIZED VIEW zoo_unfilled AS SELECT n FROM zoo_total WITH NO DATA",
    )


def grow() -> None:
    Measurement.objects.create(sensor="new", value=1)
    execute("REFRESH MATERIALIZED VIEW CONCURRENTLY zoo_sums")
