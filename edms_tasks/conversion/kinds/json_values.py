"""JSONField: text in SQLite, jsonb in PostgreSQL, which keeps what a document says and not how it is written.

jsonb sorts an object's keys, drops white space, and writes 1e5 as 100000. So a document out of SQLite is held against
what came back in a canonical form: every scalar and every container with its path, and every number by its exact value.
What jsonb would change in a document is incompatible: repeated keys, NUL in strings, minus zero.
"""

from __future__ import annotations

from edms_tasks.conversion.forms import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_STRING = r'"(\\.|[^"\\])*"'


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The text as it is: PostgreSQL reads it."""
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
    # To look into a document costs much, so that the text is not looked into a second time here.
    return Converted(text, tuple(incompatible))


def to_sqlite(value: str, columns: Columns) -> Converted:
    """PostgreSQL's own text, which comes back as it is."""
    return Converted(value)


def is_json(text: str) -> str:
    """Whether a text is JSON by the letter; DuckDB alone would let NaN and commas before a bracket pass."""
    loose = rf"regexp_matches({_bare(text)}, '[Nn][Aa]|[Ii]nf|,\s*[\]}}]')"
    return f"coalesce(json_valid({text}) AND NOT {loose}, false)"


def canonical(text: str) -> str:
    """The meaning of a JSON document as one text: equal for texts of JSON with equal meaning."""
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
    """Something that parses, whatever the text is: DuckDB computes more rows than it is asked for."""
    return f"CASE WHEN coalesce(json_valid({text}), false) THEN {text} ELSE 'null' END"


def _bare(text: str) -> str:
    """The text with every string in it emptied, so that what is left is structure and numbers."""
    return f"regexp_replace({text}, '{_STRING}', '\"\"', 'g')"


def _exact(number: str) -> str:
    """A number's exact value as text: its digits without zeros at either end, and the power of ten of the last one."""
    mantissa = f"regexp_extract({number}, '^-?([0-9.]+)', 1)"
    places = f"strlen(split_part({mantissa}, '.', 2))"
    exponent = f"coalesce(TRY_CAST(regexp_extract({number}, '[eE][+]?(-?[0-9]+)$', 1) AS BIGINT), 0)"
    digits = f"ltrim(replace({mantissa}, '.', ''), '0')"
    kept = f"rtrim({digits}, '0')"
    power = f"{exponent} - {places} + strlen({digits}) - strlen({kept})"
    sign = f"CASE WHEN starts_with({number}, '-') THEN '-' ELSE '' END"
    return f"CASE WHEN {kept} = '' THEN '0' ELSE {sign} || {kept} || 'e' || CAST({power} AS VARCHAR) END"
