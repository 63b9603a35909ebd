"""The meaning of documents that no database would write, and those that no parser takes."""

from __future__ import annotations

import pytest

from edms_tasks.conversion.canonical_json import meaning, repeats_a_key

DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"object": [["a", 1]]}', '{"a": 1}'),  # how objects are written for comparison
        ('{"number": "1e0"}', "1"),
        ('"1"', "1"),
        ("[[1], 2]", "[1, [2]]"),
        ("1e999999999999999999999", "1e999999999999999999998"),
        ("0.1", "0.10000000000000000000000000000001"),
        ("NaN", "null"),
        (DEEP, f" {DEEP}"),
    ],
)
def test_different_documents_differ(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)
    assert meaning(one) == meaning(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": [1.50, "\\u00e9"]}', '{"b":[15e-1,"é"],"a":1.0}'),
        ("1e22", "10000000000000000000000"),
        ('"\\ud800"', '"\\uD800"'),
    ],
)
def test_spellings_of_one_document_are_equal(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("document", "repeats"),
    [
        ('[{"a": 1, "b": {"c": [{"d": 1, "d": 1}]}}]', True),
        ('{"a": 1, "\\u0061": 2}', True),
        ('[{"a": 1}, {"a": 1}]', False),
        ('{"a": 1, "a"', False),
        (DEEP, False),
    ],
)
def test_a_key_that_stands_twice_in_an_object_is_found_at_any_depth(document: str, repeats: bool) -> None:
    assert repeats_a_key(document) is repeats
