"""Texts whose words are replaced, and the strings of JSON documents, as functions of the workspace.

DuckDB has no function that replaces each letter by another, and takes JSON apart by a join on its whole text. So these are
Python's, over Arrow batches, as for the meaning of JSON (docs/decisions/024-json-by-python.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from edms_tasks.masking.rules import EVERY_STRING
from edms_tasks.masking.spellings import BYTES_SPELLINGS, FOLDED, SPELLINGS, fold_texts, spell_bytes, spell_texts
from edms_tasks.soft.json_positions import Node, parse

TEXT = "edms_masked_text"
"""SQL function: text -> one of the same length, in which letters and digits are others."""
TEXTS = "edms_masked_texts"
"""SQL function: list of texts -> list of the same."""
STRINGS = "edms_json_strings"
"""SQL function: JSON, path -> list of the strings at the path; NULL where it is not JSON, or has a number there."""
WITH_STRINGS = "edms_json_with_strings"
"""SQL function: JSON, path, list -> the JSON with these strings instead, and everything else as it was written."""
LEADS = "edms_json_path_leads"
"""SQL function: JSON, path -> whether the document has something there, a string or not; NULL where it is not JSON."""

_LETTERS = np.frombuffer(b"bdfghjklmnprstvz", np.uint8).astype(np.uint32)  # no vowels, so no word is a name
_STEP = re.compile(r"([^.\[\]]+)|\[(\*|\d+)\]")


@contextmanager
def mask_functions(connection: duckdb.DuckDBPyConnection, key: str) -> Iterator[None]:
    """Register the functions in a DuckDB database, for all its cursors."""

    def texts(values: pa.ChunkedArray) -> pa.Array:
        return pa.array([None if one is None else masked_text(one, key) for one in values.to_pylist()], pa.string())

    def lists(values: pa.ChunkedArray) -> pa.Array:
        made = [None if many is None else [masked_text(one, key) for one in many] for many in values.to_pylist()]
        return pa.array(made, pa.list_(pa.string()))

    made: dict[str, tuple[Any, list[Any], Any]] = {
        TEXT: (texts, ["VARCHAR"], "VARCHAR"),
        TEXTS: (lists, ["VARCHAR[]"], "VARCHAR[]"),
        STRINGS: (_strings, ["VARCHAR", "VARCHAR"], "VARCHAR[]"),
        LEADS: (_leads, ["VARCHAR", "VARCHAR"], "BOOLEAN"),
        WITH_STRINGS: (_with_strings, ["VARCHAR", "VARCHAR", "VARCHAR[]"], "VARCHAR"),
        FOLDED: (fold_texts, ["VARCHAR"], "VARCHAR"),
        SPELLINGS: (spell_texts, ["VARCHAR"], "VARCHAR[]"),
        BYTES_SPELLINGS: (spell_bytes, ["BLOB"], "VARCHAR[]"),
    }
    for name, (function, takes, returns) in made.items():
        connection.create_function(name, function, takes, returns, type=ARROW, null_handling=SPECIAL)
    try:
        yield
    finally:
        for name in made:
            connection.remove_function(name)


def masked_text(text: str, key: str) -> str:
    """A text of the same length and shape: letters and digits are drawn by the key and the text; all else stays."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").copy()
    if not len(points):
        return text
    drawn = np.frombuffer(
        hashlib.shake_256(f"{key}text:".encode() + text.encode("utf-8", "surrogatepass")).digest(len(points)), np.uint8
    )
    digits = (points >= 48) & (points <= 57)
    upper = (points >= 65) & (points <= 90)
    # Beyond ASCII everything is taken for a letter but spaces, punctuation and symbols.
    beyond = (points >= 0xC0) & ~((points >= 0x2000) & (points < 0x2C00)) & ~((points >= 0x3000) & (points < 0x3041))
    lower = ((points >= 97) & (points <= 122)) | beyond | (points == 0xAA) | (points == 0xB5) | (points == 0xBA)
    letters = _LETTERS[drawn % 16]
    points = np.where(digits, 48 + drawn % 10, points)
    points = np.where(upper, letters - 32, points)
    points = np.where(lower, letters, points)
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def strings_at(document: Node, path: str) -> list[Node]:
    """The strings, numbers left out of none, at a path: of a container all that are in it."""
    return [leaf for node in nodes_at(document, path) for leaf in _leaves(node)]


def nodes_at(document: Node, path: str) -> list[Node]:
    """What a document has at a path, strings or not."""
    nodes = [document]
    for name, place in () if path == EVERY_STRING else _steps(path):
        nodes = [
            member.node
            for node in nodes
            for member in node.members
            if (node.kind == "object" and member.key.text == name)
            or (node.kind == "array" and not name and place in ("*", member.key.text))
        ]
    return nodes


def is_path(path: str) -> bool:
    """Whether a text is a path into JSON: `owner.email`, `history[*].name`, or all strings."""
    return path == EVERY_STRING or (
        bool(path)
        and "".join(f"{'.' if name else ''}{name or f'[{at}]'}" for name, at in _steps(path)).removeprefix(".") == path
    )


def _steps(path: str) -> list[tuple[str, str]]:
    return [(found[1] or "", found[2] or "") for found in _STEP.finditer(path)]


def _leaves(node: Node) -> Iterator[Node]:
    if node.kind in ("object", "array"):
        for member in node.members:
            yield from _leaves(member.node)
    else:
        yield node


def _found(document: str, path: str) -> list[Node] | None:
    root = parse(document)
    if root is None:
        return None
    leaves = [leaf for leaf in strings_at(root, path) if leaf.kind != "constant"]
    if path != EVERY_STRING and any(leaf.kind == "number" for leaf in leaves):
        return None
    return [leaf for leaf in leaves if leaf.kind == "string"]


def _strings(documents: pa.ChunkedArray, paths: pa.ChunkedArray) -> pa.Array:
    made = []
    for document, path in zip(documents.to_pylist(), paths.to_pylist(), strict=True):
        found = None if document is None else _found(document, path)
        made.append(None if found is None else [node.text for node in found])
    return pa.array(made, pa.list_(pa.string()))


def _leads(documents: pa.ChunkedArray, paths: pa.ChunkedArray) -> pa.Array:
    made = []
    for document, path in zip(documents.to_pylist(), paths.to_pylist(), strict=True):
        root = None if document is None else parse(document)
        made.append(None if root is None else bool(nodes_at(root, path)))
    return pa.array(made, pa.bool_())


def _with_strings(documents: pa.ChunkedArray, paths: pa.ChunkedArray, lists: pa.ChunkedArray) -> pa.Array:
    made = []
    for document, path, values in zip(documents.to_pylist(), paths.to_pylist(), lists.to_pylist(), strict=True):
        found = None if document is None or values is None else _found(document, path)
        made.append(None if found is None else _replaced(document, found, values))
    return pa.array(made, pa.string())


def _replaced(document: str, nodes: Sequence[Node], values: Sequence[str | None]) -> str:
    pieces, done = [], 0
    for node, value in zip(nodes, values, strict=True):
        pieces += [document[done : node.start], json.dumps(value, ensure_ascii=False)]
        done = node.end
    return "".join([*pieces, document[done:]])
