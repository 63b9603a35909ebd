from __future__ import annotations

import json

import pytest

from edms_tasks.json_text import indented_json

VALUE = {"b": [1, 2**70, {"x": 'é\u2028\x01"\\/', "a": None}, [], {}], "a": True, "é": 1.5}


@pytest.mark.parametrize("sort_keys", [False, True])
def test_json_is_written_as_by_the_standard_library(sort_keys: bool) -> None:
    expected = json.dumps(VALUE, ensure_ascii=False, sort_keys=sort_keys, indent=1).encode()
    assert indented_json(VALUE, sort_keys=sort_keys) == expected


def test_a_name_that_is_no_utf8_is_escaped_and_can_be_read_again() -> None:
    value = {"name": b"caf\xe9".decode("utf-8", "surrogateescape")}
    assert json.loads(indented_json(value)) == value
