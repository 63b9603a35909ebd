"""What stands where in a column's JSON, held against Python's own walk through it; memory does not grow with members times documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from edms_tasks.doctor.json_contents import tabulate_json
from edms_tasks.doctor.samples import Sample
from edms_tasks.inventory.model import Column, Table

ODD = {
    "a": {"b c": [1, "x", None, True, [2, {"é": -3}]], "": "empty", 'q"uote': "it's"},
    "550e8400-e29b-41d4-a716-446655440000": {"12": 5, "id": "7"},
    "dotted.key": [[], {}, [[["deep"]]]],
    "large": [18446744073709551615, 1.5, 10**30],
}
LONG = [
    {"id": f"{number:08x}-0000-4000-8000-000000000000", "value": number, "text": "w" * 20} for number in range(1500)
]


def tabulated(documents: list[Any]) -> Counter[tuple[str, str | None, str | None]]:
    column = Column(name="body", native_type="text", logical_type="json", nullable=True)
    table = Table(id="t", schema_name=None, name="t", columns=(column,))
    with duckdb.connect() as cursor:
        cursor.execute("SET memory_limit = '100MB'; SET threads = 1")
        held = pa.table({"body": [text if isinstance(text, str) else json.dumps(text) for text in documents]})
        cursor.register("held", held)
        cursor.execute("CREATE TABLE sample AS SELECT * FROM held")
        tabulate_json(cursor, Sample(table, "sample", len(documents), (column,)), "body", "found")
        return Counter(cursor.execute("SELECT path, key, value FROM found").fetchall())


def walked(node: Any, path: str = "$", key: str | None = None) -> Iterator[tuple[str, str | None, str | None]]:
    is_id_like = isinstance(node, str) or (isinstance(node, int) and not isinstance(node, bool) and abs(node) < 2**64)
    yield path, key, str(node) if is_id_like else None
    if isinstance(node, dict):
        for name, member in node.items():
            plain = name.isascii() and name.replace("_", "a").isalnum() and not name[:1].isdigit()
            step = "." + (name if plain else f'"{name}"'.replace('q"u', 'q\\"u'))
            yield from walked(member, path + (".*" if name[:1].isdigit() else step), name)
    elif isinstance(node, list):
        for member in node:
            yield from walked(member, f"{path}[*]")


@pytest.mark.parametrize(
    "documents", [[ODD], [{}, [], 1, "two", None, {"a": 1}], [LONG] * 20], ids=["odd", "small", "long"]
)
def test_every_member_of_every_document_is_tabulated(documents: list[Any]) -> None:
    expected = Counter(place for document in documents for place in walked(document))

    assert tabulated([json.dumps(document) for document in documents]) == expected


def test_what_is_no_json_is_passed_over() -> None:
    assert tabulated(["{", "", "no json", '{"a": 1}']) == Counter([("$", None, None), ("$.a", "a", "1")])
