"""A plan's hours are those of what is slowest, and its money is what the prices say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cost_model import PARTS, Model
from benchmarks.cost_plan import Machines, Prices, plan
from benchmarks.cost_points import VERBS, Size

# 1,000 s of the coordinator, 6,400 s of workers of which 6,000 s are of tables, 3,600 s of the database, 10,000 requests, 100 GB stored.
# In a restore the 400 s of files are the coordinator's, and so are the 200 s of listing them in a backup.
_MODEL = Model(
    {
        verb: {
            **{part: {"once": 0.0} for part in PARTS},
            "program": {
                "once": 1_000.0,
                "values": 0.6,
                "file_bytes": 0.4,
                **({"files": 20.0} if verb == "next" else {}),
            },
            "database": {"rows": 3.6},
            "requests": {"once": 10_000 - 2 * 1_000 / 65_536 if verb == "first" else 10_000 - 1_000 / 65_536},
            "stored": {"rows": 1e8},
            "peak": {"once": 5e8},
        }
        for verb in VERBS
    }
)
_SIZE = Size(rows=1_000, values=10_000, row_bytes=1e9, files=10, file_bytes=1_000)
_FAST = Machines(
    workers=4,
    cores=1,
    database_cores=1_000,
    source_mb=1e9,
    store_mb=1e9,
    store_requests=1e9,
    latency_ms=0,
    largest=0.01,
)


def hours(verb: str, machines: Machines) -> tuple[float, str]:
    made = plan(_MODEL, verb, _SIZE, machines, Prices())
    return round(made.hours * 3600, 3), made.bound


@pytest.mark.parametrize(
    ("verb", "change", "seconds", "bound"),
    [
        ("verify", {}, 1_000 + 6_400 / 4, "workers"),
        ("verify", {"workers": 64, "largest": 0.001}, 1_000 + 100, "coordinator"),
        ("first", {"workers": 8, "processor": 2.0}, (1_000 + 6_200 / 8) / 2, "coordinator"),
        ("first", {"workers": 8, "largest": 0.5}, 1_000 + 3_000, "largest table: one worker"),
        ("first", {"database_cores": 1}, 1_000 + 3_600, "database"),
        ("first", {"source_mb": 0.25}, 1_000 + (1e9 + 1_000) / 0.25e6, "source"),
        ("next", {"source_mb": 0.25}, 1_000 + (1e9 + 10) / 0.25e6, "source"),
        ("first", {"store_requests": 5.0}, 1_000 + 2_000, "store: requests"),
        ("first", {"latency_ms": 2_000.0}, 1_000 + 10_000 * 2 / 4, "store: latency"),
        ("first", {"store_mb": 50.0}, 1_000 + 2 * 1e11 / 50e6, "store: bytes"),
        ("verify", {"store_mb": 50.0}, 1_000 + 1e11 / 50e6, "store: bytes"),
        ("restore", {"largest": 0.9, "workers": 64}, 1_000 + 6_000 * 0.9, "largest table: one worker"),
        ("restore", {"workers": 64, "largest": 0.001}, 1_000 + 400, "coordinator"),
        ("verify", {"cores": 2}, 1_000 / 2 + 6_400 / 4, "workers"),
        ("first", {"workers": 0, "cores": 3}, 7_400 / 3, "program"),
    ],
)
def test_hours_are_those_of_what_is_slowest(verb: str, change: dict[str, float], seconds: float, bound: str) -> None:
    assert hours(verb, replace(_FAST, **change)) == (pytest.approx(seconds), bound)  # type: ignore[arg-type]


def test_an_index_of_the_largest_table_bounds_a_restore() -> None:
    machines = replace(_FAST, workers=0, cores=64, largest=0.5)
    assert hours("restore", machines) == (pytest.approx(1_800), "largest table: load, indexes")


def test_money_is_machines_requests_and_what_leaves_the_store() -> None:
    prices = Prices(core_hour=2.0, gigabyte_month=0.5, thousand_requests=3.0, gigabyte_out=0.25)
    made = plan(_MODEL, "restore", _SIZE, _FAST, prices)
    assert made.money == pytest.approx((4 + 1) * 2_500 / 3600 * 2 + 10 * 3 + 100 * 0.25)
    assert made.money_a_month == pytest.approx(50)
    assert made.core_hours == pytest.approx((7_400 + 3_600) / 3600)
    assert made.workers_memory_mb == 4 * _FAST.worker_memory_mb


def test_a_folder_has_no_requests_to_pay() -> None:
    made = plan(_MODEL, "first", _SIZE, replace(_FAST, workers=0, cores=1, in_store=False), Prices(core_hour=1.0))
    assert made.requests == 0
    assert made.money == pytest.approx(7_400 / 3600)


def test_a_verb_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no verb merge"):
        plan(_MODEL, "merge", _SIZE, _FAST, Prices())
