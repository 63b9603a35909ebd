"""The recovery report: one self-contained page that an auditor can file, and the same as JSON.

`facts.py` is what a restore hands in, `contents.py` turns it into plain values, `chart.py` draws, `recovery.html.j2`
is the page. Nothing here judges: the verdict comes in with the facts.
"""

from __future__ import annotations

import json
from pathlib import Path

from edms_tasks.durable import keep_private
from edms_tasks.report.chart import bars
from edms_tasks.report.contents import contents
from edms_tasks.report.facts import RecoveryFacts, Verdict
from edms_tasks.report.page import render

__all__ = ["RecoveryFacts", "Verdict", "write_recovery_report"]


def write_recovery_report(facts: RecoveryFacts, folder: Path) -> tuple[Path, Path]:
    """Write `recovery.html` and `recovery.json` into `folder` (created); returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    values = contents(facts)
    html, machine = folder / "recovery.html", folder / "recovery.json"
    html.write_text(
        render("recovery.html.j2", report=values, rows_chart=bars(values["models"], "rows"),
               bytes_chart=bars(values["models"], "bytes")),
        encoding="utf-8",
        errors="backslashreplace",
    )  # fmt: skip
    machine.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
    keep_private(folder)  # the Data Docs beside them as well
    return html, machine
