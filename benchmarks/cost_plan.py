"""How long a verb takes on given machines, what holds it up, and what it costs: arithmetic on the model's predictions.

With workers it is arithmetic on the design (docs/scale.md), at best: what a run costs at any size comes first; then the coordinator does
what only it can do, and all else of our program is dealt out to workers as if that cost nothing. Servers and networks work meanwhile,
and the slowest decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.cost_model import Model
from benchmarks.cost_points import VERBS, Size

_GIGABYTE, _HOUR = 1e9, 3600.0
_CHANGED = 0.01  # of rows and files before the next backup: what was measured


@dataclass(frozen=True)
class Machines:
    """What works, and how fast. `cores` are those of the one machine, or, with workers, of the coordinator; all are used throughout."""

    workers: int = 0
    cores: int = 2
    database_cores: int = 4
    processor: float = 1.0  # how many times as fast a core is as one of those that were measured
    source_mb: float = 500.0  # a second, from the database's and the files' disks together
    store_mb: float = 500.0  # a second, to or from the store
    store_requests: float = 1_000.0  # a second, that the store answers
    latency_ms: float = 20.0  # of one request
    largest: float = 0.3  # share of the rows that are in the largest table
    worker_memory_mb: float = 600.0
    in_store: bool = True


@dataclass(frozen=True)
class Prices:
    """Examples; nobody's list."""

    core_hour: float = 0.05
    gigabyte_month: float = 0.023
    thousand_requests: float = 0.005
    gigabyte_out: float = 0.09


@dataclass(frozen=True)
class Plan:
    """A verb on these machines. All of it is predicted."""

    verb: str
    hours: float
    bound: str  # what is slowest
    core_hours: float
    requests: float
    stored_gb: float  # by which the repository grows
    memory_mb: float  # of the coordinator, or of the one machine
    workers_memory_mb: float  # of all workers together
    money: float  # of the run, without what is stored
    money_a_month: float  # of what it stored


def plan(model: Model, verb: str, size: Size, machines: Machines, prices: Prices) -> Plan:
    """Predict one verb."""
    if verb not in VERBS:
        raise ValueError(f"there is no verb {verb}: {', '.join(VERBS)}")
    costs = {
        part: model.cost(verb, part, size, in_store=machines.in_store)
        for part in ("program", "database", "stored", "peak")
    }
    requests = model.cost(verb, "requests", size, in_store=True) if machines.in_store else 0.0
    alone, times = _times(model, verb, size, machines, costs, requests)
    slowest = max(times, key=lambda name: times[name])
    seconds = alone + times[slowest]
    bound = slowest if times[slowest] >= alone else "coordinator"
    core_hours = (costs["program"] + costs["database"]) / machines.processor / _HOUR
    rented = (machines.workers + machines.cores) * seconds / _HOUR
    out = _read(verb, size, model, machines) / _GIGABYTE if machines.in_store else 0.0
    return Plan(
        verb=verb,
        hours=seconds / _HOUR,
        bound=bound,
        core_hours=core_hours,
        requests=requests,
        stored_gb=costs["stored"] / _GIGABYTE,
        memory_mb=costs["peak"] / 1e6,
        workers_memory_mb=machines.workers * machines.worker_memory_mb,
        money=rented * prices.core_hour + requests / 1000 * prices.thousand_requests + out * prices.gigabyte_out,
        money_a_month=costs["stored"] / _GIGABYTE * prices.gigabyte_month,
    )


def _times(
    model: Model, verb: str, size: Size, machines: Machines, costs: Mapping[str, float], requests: float
) -> tuple[float, dict[str, float]]:
    """Seconds that a run takes at any size, and of everything that works after that at the same time."""
    speed = machines.processor
    moved = _moved(verb, size, model, machines)
    times = {
        "database": costs["database"] / machines.database_cores / speed,
        "source": _at_source(verb, size) / (machines.source_mb * 1e6),
        "store: bytes": moved / (machines.store_mb * 1e6),
    }
    if verb == "restore":
        # One table is loaded by one session, and each of its indexes is built by one.
        times["largest table: load, indexes"] = costs["database"] * machines.largest / speed
    if machines.in_store:
        times["store: requests"] = requests / machines.store_requests
        times["store: latency"] = requests * machines.latency_ms / 1000 / max(machines.workers, machines.cores, 1)
    if not machines.workers:
        return 0.0, {"program": costs["program"] / machines.cores / speed, **times}
    once = model.cost(verb, "program", Size(), in_store=False)
    of_tables = model.cost(verb, "program", replace(size, files=0, file_bytes=0), in_store=False) - once
    alone = min(costs["program"] - once, _alone(model, verb, size))
    times["coordinator"] = alone / machines.cores / speed
    times["workers"] = (costs["program"] - once - alone) / machines.workers / speed
    times["largest table: one worker"] = of_tables * machines.largest / speed
    return once / machines.cores / speed, times


def _alone(model: Model, verb: str, size: Size) -> float:
    """Seconds of what no worker does, and grows with a system: listing files for a backup, and all of restoring files."""
    of = model.coefficients["restore" if verb == "restore" else "next"]["program"]
    if verb == "verify":
        return 0.0
    if verb == "restore":
        return size.files * of.get("files", 0.0) + size.file_bytes * of.get("file_bytes", 0.0)
    return size.files * of.get("files", 0.0)  # of files that are unchanged, which are only listed


def _at_source(verb: str, size: Size) -> float:
    """Bytes read from the database and the folders, or written there by a restore, which is read back."""
    if verb == "verify":
        return 0.0
    if verb == "restore":
        return 2 * (size.row_bytes + size.file_bytes)
    return size.row_bytes + size.file_bytes * (_CHANGED if verb == "next" else 1.0)


def _moved(verb: str, size: Size, model: Model, machines: Machines) -> float:
    """Bytes to and from the store: a backup writes, and reads again what it wrote; the others read."""
    read = _read(verb, size, model, machines)
    return 2 * read if verb in ("first", "next") else read


def _read(verb: str, size: Size, model: Model, machines: Machines) -> float:
    of = verb if verb in ("first", "next") else "first"
    return model.cost(of, "stored", size, in_store=machines.in_store)
