"""A cost model: what a verb costs is a sum of what each row, value, byte and file costs, fitted to measured points.

There is one sum for each verb and each part of its cost: processor seconds of our program and of the database server, requests, bytes and
memory. Its coefficients have the least squares of relative errors, and none is below zero: nothing becomes cheaper because there is more
of it. Points that are held out are not looked at; `compare` sets what the model says of them beside what was measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls  # type: ignore[import-untyped]

from benchmarks.cost_points import VERBS, Cost, Point, Size

_ROWS = ("rows", "values", "row_bytes", "references")
_FILES = ("files", "file_bytes")
_LEAST = {"seconds": 1.0, "requests": 20.0, "bytes": 1e6}  # below it, an error is not compared with what was measured

# By design, and not fitted: what is measured has hardly more than a chunk of each table. A backup stores chunks and reads them back.
_ROWS_OF_A_CHUNK = 65_536
_REQUESTS_OF_A_CHUNK = {"first": 2.0, "next": 0.02, "verify": 1.0, "restore": 1.0}


@dataclass(frozen=True)
class Part:
    """A part of the cost: what it grows with, which points know it, and how it is read from one."""

    grows_with: tuple[str, ...]
    unit: str
    of: Callable[[Cost], float]
    counts: Callable[[Point], bool]


def _on_one_machine(point: Point) -> bool:
    return point.workers == 0


def _in_a_store(point: Point) -> bool:
    return point.store == "s3"


PARTS: Mapping[str, Part] = {
    "program": Part((*_ROWS, *_FILES, "requests"), "seconds", lambda cost: cost.program, _on_one_machine),
    "database": Part(_ROWS, "seconds", lambda cost: cost.database, _on_one_machine),
    "requests": Part(("root_rows", *_FILES), "requests", lambda cost: cost.requests, _in_a_store),
    "stored": Part((*_ROWS, *_FILES), "bytes", lambda cost: cost.stored, _on_one_machine),
    "peak": Part(("root_references", "root_files"), "bytes", lambda cost: cost.peak, _on_one_machine),
}

Coefficients = Mapping[str, float]
"""By feature; "once" is what a run costs at any size."""


@dataclass(frozen=True)
class Model:
    """Coefficients by verb and part."""

    coefficients: Mapping[str, Mapping[str, Coefficients]]

    def cost(self, verb: str, part: str, size: Size, *, in_store: bool) -> float:
        """Predict a part of the cost of a verb."""
        requests = self.cost(verb, "requests", size, in_store=True) if in_store and part != "requests" else 0.0
        known = {**size.features(), "requests": requests}
        said = sum(each * known[name] for name, each in self.coefficients[verb][part].items())
        return said + size.rows / _ROWS_OF_A_CHUNK * _REQUESTS_OF_A_CHUNK[verb] if part == "requests" else said


@dataclass(frozen=True)
class Comparison:
    """A part of the cost of a point, measured and predicted."""

    point: str
    verb: str
    part: str
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """By how much of what was measured the prediction is above it."""
        return (self.predicted - self.measured) / max(self.measured, _LEAST[PARTS[self.part].unit])

    @property
    def told(self) -> str:
        """The error as people read it."""
        return f"{round(100 * self.error):+d} %"


def fit(points: Sequence[Point]) -> Model:
    """Fit to all points that are not held out; raises ValueError where a part has no point."""
    known = [point for point in points if not point.held_out]
    return Model({verb: {name: _fitted(known, verb, name) for name in PARTS} for verb in VERBS})


def compare(model: Model, points: Sequence[Point]) -> list[Comparison]:
    """What the model says of points, beside what was measured."""
    found = []
    for point in points:
        for verb, cost in point.costs.items():
            for name, part in PARTS.items():
                if part.counts(point):
                    said = model.cost(verb, name, point.size, in_store=point.store == "s3")
                    found.append(Comparison(point.name, verb, name, part.of(cost), said))
    return found


def write_model(model: Model, path: Path) -> None:
    """Write the coefficients as JSON."""
    path.write_text(json.dumps(model.coefficients, indent=1) + "\n", encoding="utf-8")


def read_model(path: Path) -> Model:
    """A model as `write_model` wrote it."""
    return Model(json.loads(path.read_text(encoding="utf-8")))


def _fitted(points: Sequence[Point], verb: str, name: str) -> Coefficients:
    part = PARTS[name]
    seen = [point for point in points if part.counts(point) and verb in point.costs]
    if not seen:
        raise ValueError(f"no point was measured for the part {name} of the verb {verb}")
    names = ("once", *part.grows_with)
    costs = [point.costs[verb] for point in seen]
    table = np.array([[_feature(one, point, cost) for one in names] for point, cost in zip(seen, costs, strict=True)])
    measured = np.array([part.of(cost) for cost in costs])
    weights = 1 / np.maximum(measured, _LEAST[part.unit])
    # Columns of one size: bytes are a billion times the ones of what a run costs once.
    scale = np.maximum(np.abs(table).max(axis=0), 1e-300)
    found, _ = nnls((table / scale) * weights[:, None], measured * weights)
    return {one: float(value) for one, value in zip(names, found / scale, strict=True) if value > 0}


def _feature(name: str, point: Point, cost: Cost) -> float:
    return float(cost.requests) if name == "requests" else point.size.features()[name]
