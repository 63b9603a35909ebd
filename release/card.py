"""The emergency card for the wall: docs/emergency-card.md as one page of A4.

python -m release.card FILE.pdf|FILE.html
"""

from __future__ import annotations

import sys
from pathlib import Path

from markdown_it import MarkdownIt

PAGE = Path(__file__).resolve().parent.parent / "docs" / "emergency-card.md"
_STYLE = """
@page { size: A4; margin: 13mm 15mm }
body { font: 9.6pt/1.36 sans-serif; color: #111; margin: 0 }
h1 { font-size: 19pt; margin: 0 0 2mm; border-bottom: 1.2mm solid #b00020; padding-bottom: 1.5mm }
p { margin: 1.6mm 0 } ul { margin: 1mm 0; padding-left: 5mm }
pre, code { font-family: monospace; font-size: 9pt }
pre { background: #eee; padding: 1.2mm 2.5mm; margin: 1mm 0; border-left: 1mm solid #888 }
table { border-collapse: collapse; width: 100%; margin: 2mm 0 }
thead { display: none }
table.with-head thead { display: table-header-group; text-align: left }
td, th { border: .25mm solid #888; padding: 1mm 2mm; vertical-align: top }
td:first-child { width: 34% }
table:first-of-type td { height: 7mm }
"""


def card(page: Path = PAGE) -> str:
    """The card as a page of HTML that loads nothing."""
    body = MarkdownIt("commonmark").enable("table").render(page.read_text(encoding="utf-8"))
    # The blanks have no heads; a table with heads shows them.
    parts = body.split("<table>")
    tables = [f'<table class="with-head">{part}' if "<th></th>" not in part else f"<table>{part}" for part in parts[1:]]
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Emergency card</title><style>{_STYLE}</style>\n'
        f"<body>{parts[0]}{''.join(tables)}</body></html>\n"
    )


def write_card(file: Path) -> None:
    """Write the card; as PDF, or for any other name as HTML."""
    if file.suffix == ".pdf":
        from weasyprint import HTML

        HTML(string=card()).write_pdf(file)
    else:
        file.write_text(card(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m release.card FILE.pdf|FILE.html")
    write_card(Path(sys.argv[1]))
