"""JSONField: text in SQLite, jsonb in PostgreSQL. jsonb keeps a document's meaning, not its spelling.

jsonb sorts an object's keys, drops white space, and writes 1e5 as 100000. So documents from SQLite are compared in a
canonical form: every scalar and container with its path, and every number by its exact value. Documents whose meaning
jsonb would change are incompatible: repeated keys, NUL in strings, minus zero.
"""

from __future__ import annotations

from edms_tasks.conversion.forms import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
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
            Incompatible(_repeats_a_key(text), "repeats a key in an object; jsonb keeps the last value only"),
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
    """SQL: a document's meaning as text, equal for all spellings of the same document."""
    atom = "CAST(atom AS VARCHAR)"
    node = (
        "fullkey || ' ' || CASE WHEN type IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT') "
        f"THEN 'number ' || coalesce(CAST(TRY_CAST({atom} AS DOUBLE) AS VARCHAR), 'beyond') "
        f"ELSE type || ' ' || coalesce({atom}, '') END"
    )
    nodes = f"(SELECT list_sort(list({node})) FROM json_tree({_parsable(text)}))"
    numbers = f"list_sort(list_transform(regexp_extract_all({_bare(text)}, '{_NUMBER}'), lambda t: {_exact('t')}))"
    return f"CASE WHEN {text} IS NOT NULL THEN CAST(to_json([{nodes}, {numbers}]) AS VARCHAR) END"


def _repeats_a_key(text: str) -> str:
    return f"(SELECT count(*) > count(DISTINCT fullkey) FROM json_tree({_parsable(text)}))"


def _parsable(text: str) -> str:
    """The text, or `null` if it is not JSON: DuckDB may evaluate rows that the condition excludes."""
    return f"CASE WHEN coalesce(json_valid({text}), false) THEN {text} ELSE 'null' END"


def _bare(text: str) -> str:
    """The text with empty strings in place of its strings: structure, numbers and literals are left."""
    return f"regexp_replace({text}, '{_STRING}', '\"\"', 'g')"


def _exact(number: str) -> str:
    """A number's exact value as text: its digits without leading and trailing zeros, and the last digit's power of ten."""
    mantissa = f"regexp_extract({number}, '^-?([0-9.]+)', 1)"
    places = f"strlen(split_part({mantissa}, '.', 2))"
    exponent = f"coalesce(TRY_CAST(regexp_extract({number}, '[eE][+]?(-?[0-9]+)$', 1) AS BIGINT), 0)"
    digits = f"ltrim(replace({mantissa}, '.', ''), '0')"
    kept = f"rtrim({digits}, '0')"
    power = f"{exponent} - {places} + strlen({digits}) - strlen({kept})"
    sign = f"CASE WHEN starts_with({number}, '-') THEN '-' ELSE '' END"
    return f"CASE WHEN {kept} = '' THEN '0' ELSE {sign} || {kept} || 'e' || CAST({power} AS VARCHAR) END"
