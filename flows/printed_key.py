"""The recovery key on paper: one page with what it is for, its text, and a QR code of the secret."""

from __future__ import annotations

import html
import io

import segno

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Recovery key of edms-backup</title><style>
body {{ font: 12pt/1.45 serif; max-width: 17cm; margin: 1.5cm auto; color: #000; background: #fff }}
pre {{ font: 9.5pt/1.6 monospace; border: 1px solid #000; padding: .4cm; white-space: pre-wrap; overflow-wrap: anywhere }}
svg {{ width: 5.5cm; height: 5.5cm; display: block; margin: .5cm auto }}
</style></head><body>
<h1>Recovery key of edms-backup</h1>
<p>This page opens every backup in the repository named below. <strong>Whoever has it can read all documents; without it nothing
can be restored.</strong> Keep it where neither a fire at the backups nor at the EDMS reaches it, and where few people do.</p>
{code}
<pre>{text}</pre>
<h2>To restore with it</h2>
<ol>
<li>Put the lines above, or at least the one that begins with <code>AGE-SECRET-KEY-1</code> (the QR code holds it), into a text file.</li>
<li>Install edms-backup, and write its settings with the address of the repository.</li>
<li><code>EDMS_BACKUP__REPOSITORY__IDENTITY=that-file edms-backup list</code>, then <code>restore latest</code> likewise.</li>
</ol>
<p>Without edms-backup: the format is described in its docs/format.md, and <code>age -d -i that-file</code> opens each step.</p>
<p>File: {name}</p>
</body></html>
"""


def code_for_terminals(text: str) -> str:
    """A QR code of blocks, which a telephone reads from a dark or a light terminal."""
    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()


def printed_key(name: str, text: str) -> str:
    """The page as HTML; it loads nothing from elsewhere."""
    secret = next(line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-1"))
    code = io.BytesIO()
    segno.make(secret, error="q", micro=False).save(code, kind="svg", xmldecl=False, svgns=True, omitsize=True)
    return _PAGE.format(code=code.getvalue().decode(), text=html.escape(text.strip()), name=html.escape(name))
