"""The tables of docs/findings.md, made from the registry of findings.

`python -m tests.findings_page` writes them; a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edms_tasks.findings import GROUPS, REGISTRY, Kind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "findings.md"
BEGIN, END = "<!-- made by `python -m tests.findings_page` -->\n", "<!-- end -->"


def tables() -> str:
    """A heading and a table for each group."""
    return "\n".join(
        f"## {group}\n\n| finding | severity | means | what to do |\n|---|---|---|---|\n" + "".join(map(_row, kinds))
        for group, kinds in GROUPS.items()
    )


def page_with_tables(text: str) -> str:
    """The page with the tables as the registry has them now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}{END}{after}"


def _row(kind: Kind) -> str:
    cells = (f"`{kind.code}`", " or ".join(kind.severities), kind.means, kind.fix or "nothing")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("[[", "\\[\\[") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{len(REGISTRY)} findings\n")
