"""The lines that this command's run has said, for `--json`: warnings and notes that a person reads while it runs."""

from __future__ import annotations

_MOST = 1000
_lines: list[str] = []


def begin_to_note() -> None:
    """Forget the lines of an earlier command in this process."""
    _lines.clear()


def note_said(line: str) -> None:
    """Keep a line; beyond a thousand no more."""
    if len(_lines) < _MOST:
        _lines.append(line)


def as_facts() -> dict[str, list[str]]:
    """The lines for a JSON object; nothing if nothing was said."""
    return {"said": list(_lines)} if _lines else {}
