"""Findings about the workers of a Dask cluster."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "workers-unusable",
        ("error",),
        '`[run] on = "dask"` is set, and the scheduler does not answer, has no workers, or one of them is not like this machine. A backup '
        "would fail.",
        "The finding says what is wrong; docs/scale.md what every machine needs.",
    ),
)
