"""What runs of the commands cost at one size: a size, a verb, and what was measured. Stored as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

VERBS = ("first", "next", "verify", "restore")
"""The first backup, one after 1 % of rows and files changed, `verify` of all, a restore that is proved."""


@dataclass(frozen=True)
class Size:
    """How large a system is, in what its administrator can look up."""

    rows: float = 0
    values: float = 0  # rows times columns, of all tables
    row_bytes: float = 0  # as pg_table_size says, without indexes
    references: float = 0  # rows times foreign keys, of all tables
    files: float = 0
    file_bytes: float = 0

    def features(self) -> dict[str, float]:
        """What costs may grow with. Memory grows slower than anything that it holds: most of that goes to disk.

        Its third roots are what fits the measurements from ten thousand to ten million rows in docs/performance.md.
        """
        slower = {f"root_{name}": getattr(self, name) ** (1 / 3) for name in ("rows", "references", "files")}
        return {**asdict(self), **slower, "once": 1.0}


@dataclass(frozen=True)
class Cost:
    """One run of a command, in processor seconds, bytes and requests."""

    program: float  # the command and all that it starts, or the coordinator if there are workers
    database: float  # the server
    store: float = 0.0  # the S3 server; 0: the repository is a folder
    workers: Sequence[float] = ()  # each worker of the cluster
    requests: int = 0  # to the S3 server
    stored: int = 0  # bytes by which the repository grew
    peak: int = 0  # bytes of memory of the command and all that it starts
    worker_peaks: Sequence[int] = ()


@dataclass(frozen=True)
class Point:
    """A subject that was measured; of held out ones the model knows nothing."""

    name: str
    held_out: bool
    store: str  # "folder" or "s3"
    workers: int
    size: Size
    costs: dict[str, Cost] = field(default_factory=dict)  # by verb


def read_points(path: Path) -> list[Point]:
    """Points as `write_points` wrote them; none where there is no file."""
    if not path.exists():
        return []
    return [_point(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def write_points(points: Sequence[Point], path: Path) -> None:
    """Write them as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n", encoding="utf-8")


def with_point(points: Sequence[Point], new: Point) -> list[Point]:
    """The points, with one of the same name replaced, or added."""
    return list({**{point.name: point for point in points}, new.name: new}.values())


def _point(said: dict[str, object]) -> Point:
    costs = {verb: Cost(**cost) for verb, cost in said.pop("costs").items()}  # type: ignore[attr-defined]
    return Point(size=Size(**said.pop("size")), costs=costs, **said)  # type: ignore[arg-type]
