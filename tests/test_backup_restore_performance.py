"""The benchmark, small: every figure is produced. How large they are is for `make bench` to say, not for a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.run import main


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "expected"), [("sqlite", 2), ("postgresql", 6)])
def test_the_benchmark_produces_every_figure(engine: str, expected: int, tmp_path: Path) -> None:
    output = tmp_path / "latest.json"

    main(["--rows", "400", "--slow-rows", "100", "--engine", engine, "--output", str(output)])

    figures = json.loads(output.read_text(encoding="utf-8"))
    assert len(figures) == expected
    for figure in figures:
        assert {"name", "ours", "peer", "ratio", "target", "met"} <= figure.keys()
        assert figure["rows"] > 100
        assert min(figure[key] for key in ("ours", "peer", "ratio", "ours_peak_bytes", "peer_peak_bytes")) > 0
