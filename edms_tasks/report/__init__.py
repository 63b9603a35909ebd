"""The recovery report: one self-contained page that an auditor can file, and the same as JSON.

A restore passes the facts of `facts.py`; `report_contents.py` turns them into plain values, `chart.py` draws, `recovery.html.j2`
is the page's template. Nothing here decides: the verdict is one of the facts.
"""

from __future__ import annotations

from pathlib import Path

from edms_tasks.report.chart import bars
from edms_tasks.report.facts import RecoveryFacts, Verdict
from edms_tasks.report.page import keep_page, render
from edms_tasks.report.report_contents import contents

__all__ = ["RecoveryFacts", "Verdict", "write_recovery_report"]


def write_recovery_report(facts: RecoveryFacts, folder: Path) -> tuple[Path, Path]:
    """Write `recovery.html` and `recovery.json` into `folder` (created); returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    values = contents(facts)
    html = folder / "recovery.html"
    charts = {"rows_chart": bars(values["models"], "rows"), "bytes_chart": bars(values["models"], "bytes")}
    # This makes the folder readable by its owner only, with the Data Docs in it.
    keep_page(html, render("recovery.html.j2", report=values, **charts), values)
    return html, html.with_suffix(".json")
