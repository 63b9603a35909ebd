"""Text for people: values with control characters escaped."""

from __future__ import annotations

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
# Characters that change the direction of writing, or end a line for some programs: a name could look like another one.
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_HARMLESS = {code: f"\\x{code:02x}" for code in _CONTROLS if code != 0x0A} | {
    code: f"\\u{code:04x}" for code in _DIRECTIONS
}


def printable(text: object) -> str:
    """The text with control characters escaped: a file's name must not control the reader's terminal."""
    return str(text).encode("utf-8", "backslashreplace").decode().translate(_HARMLESS)


def error_text(error: BaseException) -> str:
    """The text of a foreign exception in one line of at most 500 characters, without the values of rows that a database quotes."""
    from edms_tasks.databases.quoted_values import without_quoted_values  # needed only after a failure

    return " ".join(without_quoted_values(f"{type(error).__name__}: {error}").split())[:500]
