"""JSONField: text in SQLite, jsonb in PostgreSQL. jsonb keeps a document's meaning, not its spelling.

jsonb sorts an object's keys, drops white space, and writes 1e5 as 100000. So documents from SQLite are compared by their
meaning (canonical_json.py). Documents whose meaning jsonb would change are incompatible: repeated keys, NUL in strings,
minus zero.
"""

from __future__ import annotations

from edms_tasks.conversion.canonical_json import MEANING, REPEATS_A_KEY
from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_STRING = r'"(\\.|[^"\\])*"'


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The text unchanged: PostgreSQL parses it."""
    text = value.text
    incompatible = [
        Incompatible(value.unreadable, "is text that is not valid UTF-8"),
        Incompatible(f"{text} IS NOT NULL AND NOT {is_json(text)}", "is no JSON"),
    ]
    if columns.postgresql.native_type == "jsonb":
        incompatible += [
            Incompatible(
                rf"regexp_matches({text}, '(^|[^\\])(\\\\)*\\u0000')",
                "contains a NUL character (\\u0000), which jsonb does not support",
            ),
            Incompatible(f"{REPEATS_A_KEY}({text})", "repeats a key in an object; jsonb keeps the last value only"),
            Incompatible(
                rf"regexp_matches({_bare(text)}, '-0+(\.0+)?([eE][+-]?[0-9]+)?([^0-9.eE]|$)')",
                "contains minus zero, whose sign jsonb does not keep",
            ),
            Incompatible(
                rf"regexp_matches({_bare(text)}, '[eE][+-]?0*[1-9][0-9]{{4}}')",
                "contains a number outside the range of jsonb",
            ),
        ]
    # Parsing documents is expensive: the expression does not repeat the checks above.
    return Converted(text, tuple(incompatible))


def to_sqlite(value: str, columns: Columns) -> Converted:
    """PostgreSQL's text unchanged."""
    return Converted(value)


def is_json(text: str) -> str:
    """SQL: whether a text is strictly valid JSON. DuckDB's json_valid alone accepts NaN and trailing commas."""
    loose = rf"regexp_matches({_bare(text)}, '[Nn][Aa]|[Ii]nf|,\s*[\]}}]')"
    return f"coalesce(json_valid({text}) AND NOT {loose}, false)"


def canonical(text: str) -> str:
    """SQL: the same for all spellings of the same document, and no other; the connection needs `json_functions`."""
    return f"{MEANING}({text})"


def _bare(text: str) -> str:
    """The text with empty strings in place of its strings: structure, numbers and literals are left."""
    return f"regexp_replace({text}, '{_STRING}', '\"\"', 'g')"
