"""What DuckDB cannot take apart, for fixtures: PostgreSQL's arrays, ranges and hstore as Django writes them, and JSON as Python reads it.

These are Python's, over Arrow batches (docs/decisions/024-json-by-python.md), and only columns of these types need them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

ARRAY, RANGE, KEY_VALUES = "edms_array_in_fixture", "edms_range_in_fixture", "edms_hstore_in_fixture"
"""SQL functions: (text, type) -> the text that Django writes; NULL if Django's field has no equal."""
DOCUMENT_DOUBT = "edms_document_in_fixture"
"""SQL function: JSON text -> why Python does not give it back as it is: null, number, key, none; NULL if it does."""
YAML = "edms_json_as_yaml"
"""SQL function: a JSON text on one line -> the same for readers of YAML 1.1, without halves of characters."""
HALF = "edms_half_character"
"""SQL function: a JSON text -> "half" if it has half of a character, which readers of YAML refuse; NULL if not."""

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)
_BOUND = re.compile(r'"((?:[^"\\]|\\.|"")*)"|([^",()\[\]]*)', re.DOTALL)
_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|(NULL))(?:, |$)', re.DOTALL)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SPECIAL = re.compile(r'"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?[eE][+-]?\d+', re.DOTALL)
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ESCAPE = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
LONGEST_KEY = 1000
"""Characters of a key without a mark: readers of YAML look for the colon in the first 1,024."""
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"(\s*:)?', re.DOTALL)


@contextmanager
def fixture_functions(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Register the functions in a DuckDB database, for all its cursors."""
    typed = {ARRAY: _array, RANGE: _range, KEY_VALUES: _key_values}
    plain = {DOCUMENT_DOUBT: document_doubt, YAML: as_yaml, HALF: half_character}
    for name, function in typed.items():
        connection.create_function(
            name, _over_pairs(function), ["VARCHAR", "VARCHAR"], "VARCHAR", type=ARROW, null_handling=SPECIAL
        )
    for name, one in plain.items():
        connection.create_function(name, _over(one), ["VARCHAR"], "VARCHAR", type=ARROW, null_handling=SPECIAL)
    try:
        yield
    finally:
        for name in (*typed, *plain):
            connection.remove_function(name)


# -- JSON --------------------------------------------------------------------------------------------------------------


class _DoubtError(ValueError):
    pass


def document_doubt(text: str) -> str | None:
    """Why Python reads a document as another one; None if it does not."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_float=_exact, parse_constant=_refuse)
    except _DoubtError as doubt:
        return str(doubt)
    except (ValueError, RecursionError):
        return "none"
    return "null" if value is None else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _DoubtError("key")
    return found


def _exact(text: str) -> float:
    number = float(text)
    # `1.10` is 1.1 for Python, and jsonb keeps its zero; `0.00001` and `1e-05` are the same.
    if number in (float("inf"), float("-inf")) or Decimal(repr(number)).as_tuple() != Decimal(text).as_tuple():
        raise _DoubtError("number")
    return number


def _refuse(constant: str) -> Any:
    raise _DoubtError("none")


def as_yaml(text: str) -> str:
    """JSON that YAML 1.1 reads as the same: numbers with an exponent need a point and a sign, some characters an escape, and
    long keys a question mark."""
    made = _SPECIAL.sub(_for_yaml, text)
    if len(made) > LONGEST_KEY:
        made = _TOKEN.sub(_marked_key, made)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", made)


def half_character(text: str) -> str | None:
    """Whether a text has an escape for half of a character alone."""
    return "half" if any(found[3] for found in _ESCAPE.finditer(text)) else None


def _marked_key(found: re.Match[str]) -> str:
    return f"? {found[0]}" if found[1] is not None and len(found[0]) > LONGEST_KEY else found[0]


def _for_yaml(found: re.Match[str]) -> str:
    token = found[0]
    if token[0] == '"':
        return _ESCAPE.sub(_joined, token) if "\\u" in token else token
    mantissa, power = re.split("[eE]", token)
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{power if power[0] in '+-' else '+' + power}"


def _joined(found: re.Match[str]) -> str:
    """Two escapes for the halves of a character as this character, which YAML does not make of them; other escapes stay.

    One half alone would make readers refuse the whole fixture.
    """
    if found[3] is not None:
        return "\\ufffd"
    if found[1] is None:
        return found[0]
    return chr(0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00)


# -- PostgreSQL's types ------------------------------------------------------------------------------------------------


def _array(text: str, kind: str) -> str | None:
    """An array as Django's ArrayField writes it: a list of texts, in which an inner array is text, too."""
    if not text.startswith("{"):  # bounds of its own, such as [0:1]={…}, which Django does not have
        return None
    try:
        value, end = _nested(text, 0, kind.removesuffix("[]"))
    except (ValueError, IndexError, RecursionError):
        return None
    return _written(value) if end == len(text) else None


def _nested(text: str, at: int, kind: str) -> tuple[list[Any], int]:
    found: list[Any] = []
    at += 1
    while text[at] != "}":
        if text[at] == ",":
            at += 1
        elif text[at] == "{":
            inner, at = _nested(text, at, kind)
            found.append(inner)
        else:
            match = _ELEMENT.match(text, at)
            if match is None:
                raise ValueError(text)
            quoted, bare = match.groups()
            found.append(None if bare == "NULL" else _element(_unescaped(quoted) if bare is None else bare, kind))
            at = match.end()
    return found, at + 1


def _written(value: list[Any]) -> str:
    return json.dumps([_written(one) if isinstance(one, list) else one for one in value])


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _element(text: str, kind: str) -> str:
    """A value in an array or range as its own field writes it; raises ValueError if Django has no equal."""
    base = re.sub(r"\([^)]*\)", "", kind).strip()
    if base == "boolean":
        return {"t": "True", "f": "False"}[text]
    if base == "bytea":
        return base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode()
    if base in ("double precision", "real"):
        return repr(float(text))
    if base.startswith("timestamp"):
        found = _MOMENT.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return f"{found[1]}T{found[2]}" + ("+00:00" if found[3] else "")
    if base == "date" and not _DAY.fullmatch(text):
        raise ValueError(text)
    if base == "numeric" and not re.fullmatch(r"-?[0-9.]+", text):
        raise ValueError(text)
    if base == "interval" or base.endswith("range"):
        raise ValueError(text)
    return text


_RANGE_OF = {
    "int4range": "integer",
    "int8range": "bigint",
    "numrange": "numeric",
    "tsrange": "timestamp without time zone",
    "tstzrange": "timestamp with time zone",
    "daterange": "date",
}


def _range(text: str, kind: str) -> str | None:
    """A range as Django's RangeFields write it."""
    if text == "empty":
        return json.dumps({"empty": True})
    try:
        lower = _BOUND.match(text, 1)
        if lower is None or text[lower.end()] != ",":
            return None
        upper = _BOUND.match(text, lower.end() + 1)
        if upper is None or upper.end() != len(text) - 1:
            return None
        ends = [_end(found, _RANGE_OF[kind]) for found in (lower, upper)]
    except (ValueError, IndexError):
        return None
    return json.dumps({"bounds": text[0] + text[-1], "lower": ends[0], "upper": ends[1]})


def _end(found: re.Match[str], kind: str) -> str | None:
    if not found[0]:
        return None
    return _element(_unescaped(found[1].replace('""', '"')) if found[2] is None else found[2], kind)


def _key_values(text: str, kind: str) -> str | None:
    """hstore as Django's HStoreField writes it: an object of texts."""
    found, at = {}, 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return None
        found[_unescaped(pair[1])] = None if pair[3] else _unescaped(pair[2])
        at = pair.end()
    return json.dumps(found)


def _over(function: Callable[[str], str | None]) -> Callable[[pa.Array], pa.Array]:
    def over(column: pa.Array) -> pa.Array:
        return pa.array([None if text is None else function(text) for text in column.to_pylist()], pa.string())

    return over


def _over_pairs(function: Callable[[str, str], str | None]) -> Callable[[pa.Array, pa.Array], pa.Array]:
    def over(column: pa.Array, kinds: pa.Array) -> pa.Array:
        pairs = zip(column.to_pylist(), kinds.to_pylist(), strict=True)
        return pa.array([None if text is None else function(text, kind) for text, kind in pairs], pa.string())

    return over
