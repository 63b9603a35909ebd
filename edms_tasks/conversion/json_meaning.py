"""What a JSON document means, whatever its spelling, as functions of the workspace.

DuckDB takes a document apart by a join on its whole text, which needs the square of its size. So these two functions are
Python's, over Arrow batches: the one place where values are not handled by SQL (docs/decisions/024-json-by-python.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
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
    """Let a DuckDB database, all its cursors included, know the two functions."""
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
            text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_refuse
        )
        written = json.dumps(value, default=_written, separators=(",", ":"))
    except (ValueError, ArithmeticError, RecursionError):  # no JSON, an exponent or a depth beyond all bounds
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


class _Object:
    """An object of a document. No dict: `_written` makes dicts of objects and numbers alike, so none comes from anywhere else."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = sorted(pairs, key=lambda pair: pair[0])


class _Number:
    """A number of a document, as it is written there."""

    def __init__(self, text: str) -> None:
        self.text = text


def _written(value: object) -> dict[str, object]:
    if isinstance(value, _Object):
        return {"object": value.pairs}
    assert isinstance(value, _Number)
    return {"number": _exact(value.text)}


def _exact(number: str) -> str:
    """Sign, digits without leading and trailing zeros, and the last digit's power of ten."""
    sign, digits, exponent = Decimal(number).as_tuple()
    assert isinstance(exponent, int)  # neither infinite nor NaN, which JSON does not have
    whole = "".join(map(str, digits)).lstrip("0")
    kept = whole.rstrip("0")
    return f"{'-' * sign}{kept}e{exponent + len(whole) - len(kept)}" if kept else "0"


def _require_distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _RepeatedKeyError


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _meanings(texts: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if text is None else meaning(text) for text in texts.to_pylist()], pa.string())


def _repeated(texts: pa.ChunkedArray) -> pa.Array:
    return pa.array([text is not None and repeats_a_key(text) for text in texts.to_pylist()], pa.bool_())
