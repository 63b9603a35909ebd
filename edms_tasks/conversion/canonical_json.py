"""What a JSON document means, whatever its spelling, as functions of the workspace.

DuckDB takes a document apart by a join on its whole text, which needs the square of its size. So these two functions are
Python's, over Arrow batches (docs/decisions/024-json-by-python.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

MEANING = "edms_json_meaning"
"""SQL function: text -> SHA-256 of its meaning; texts that are not JSON, or too deep, are equal only where their bytes are."""
REPEATS_A_KEY = "edms_json_repeats_a_key"
"""SQL function: text -> whether an object in it has a key twice; false where it is not JSON."""


@contextmanager
def json_functions(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Register the two functions in a DuckDB database, for all its cursors."""
    made = {MEANING: (_meanings, "VARCHAR"), REPEATS_A_KEY: (_repeated, "BOOLEAN")}
    for name, (function, returns) in made.items():
        connection.create_function(name, function, ["VARCHAR"], returns, type=ARROW, null_handling=SPECIAL)
    try:
        yield
    finally:
        for name in made:
            connection.remove_function(name)


def meaning(text: str) -> str:
    """The SHA-256 of a document's meaning: keys in any order, numbers by their exact value, strings by their characters."""
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_refuse
        )
        written = json.dumps(value, separators=(",", ":"))
    except (ValueError, RecursionError):  # no JSON, or deeper than the parser goes
        written = f"not JSON: {text}"
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def repeats_a_key(text: str) -> bool:
    """Whether an object in the document has a key twice."""
    try:
        json.loads(text, object_pairs_hook=_require_distinct, parse_int=str, parse_float=str, parse_constant=_refuse)
    except _RepeatedKeyError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


class _RepeatedKeyError(Exception):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    """An object with its keys sorted. This and `_number` alone make dicts, so none is taken for another's."""
    return {"object": sorted(pairs, key=_key)}


def _key(pair: tuple[str, Any]) -> str:
    return pair[0]


def _number(text: str) -> dict[str, object]:
    """A number as its sign, its digits without leading and trailing zeros, and the last digit's power of ten."""
    mantissa, _, power = text.lower().partition("e")
    whole, _, places = mantissa.removeprefix("-").partition(".")
    digits = (whole + places).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return {"number": "0"}
    exponent = int(power or 0) - len(places) + len(digits) - len(kept)
    return {"number": f"{'-' * mantissa.startswith('-')}{kept}e{exponent}"}


def _require_distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _RepeatedKeyError


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _meanings(texts: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if text is None else meaning(text) for text in texts.to_pylist()], pa.string())


def _repeated(texts: pa.ChunkedArray) -> pa.Array:
    return pa.array([text is not None and repeats_a_key(text) for text in texts.to_pylist()], pa.bool_())
