"""The benchmark, small: every figure is produced. How large they are is for `make bench` to say, not for a test."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.run import PARTS, main

SMALL = ["--rows", "500", "--slow-rows", "900", "--files", "40", "--pairs", "1"]
FIGURES = {
    "pg": {
        "backup, database part / pg_dump -Fc",
        "the same with its own verification / pg_dump -Fc",
        "stored tables and schema / pg_dump -Fc",
        "restore: stage, load, indexes, constraints / pg_restore -j2",
        "restore with full validation and handover / pg_restore -j2",
        "peak memory of a backup, all processes / 600 MB",
        "peak memory of a restore, all processes / 600 MB",
    },
    "django-postgresql": {"backup / dumpdata on postgresql", "restore / loaddata on postgresql"},
    "django-sqlite": {"backup / dumpdata on sqlite", "restore / loaddata on sqlite"},
    "incremental": {
        "second backup, 1 % of rows and files changed, where work goes on / first backup",
        "growth of the repository, 1 % of rows and files changed, where work goes on / first backup",
        "second backup, 1 % changed anywhere / first backup",
        "growth of the repository, 1 % changed anywhere / first backup",
    },
    "files": {
        "first backup of files / tar | zstd -3",
        "second backup of unchanged files / tar | zstd -3",
        "stored files / tar | zstd -3",
    },
    "start": {"edms-backup --help / 0.5 s", "backup of an EDMS without documents / 3 s"},
}
# Prefect takes half a minute to start on a busy machine, and tests/flows starts it often enough.
NOT_RUN = {"flow"}


def test_every_part_has_its_figures_named_here() -> None:
    assert FIGURES.keys() | NOT_RUN == PARTS.keys()


@pytest.mark.long
@pytest.mark.parametrize(
    "parts", [["pg", "django-postgresql", "incremental", "start"], ["django-sqlite", "files"]], ids=" ".join
)
def test_the_benchmark_produces_every_figure(parts: list[str], tmp_path: Path) -> None:
    output = tmp_path / "latest.json"

    main([*SMALL, "--parts", *parts, "--output", str(output), "--scratch", str(tmp_path)])

    figures = json.loads(output.read_text(encoding="utf-8"))
    assert {figure["name"] for figure in figures} == set().union(*(FIGURES[part] for part in parts))
    assert len(figures) == len({figure["name"] for figure in figures})
    for figure in figures:
        assert list(figure)[:6] == ["name", "ours", "peer", "ratio", "target", "met"]
        assert all(math.isfinite(figure[key]) and figure[key] > 0 for key in ("ours", "peer", "ratio"))
        assert (figure["target"] is None) == (figure["met"] is None)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "the benchmark leaves nothing behind"
