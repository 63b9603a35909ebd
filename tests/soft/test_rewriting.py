"""Ids in texts give way to other ids, and every other character stays as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edms_tasks.errors import MergeRefused
from edms_tasks.inventory.model import SoftReference
from edms_tasks.soft.readings import Reading, Spot
from edms_tasks.soft.value_rewriting import final_ids, rewriter, with_dashes_as

MOVED = {"1": "101", "2": "102", "30": "7"}


def reference(form: str, expression: str = "", kind: str = "number") -> SoftReference:
    return SoftReference.model_validate(
        {
            "name": "held",
            "column": "held",
            "target": "document",
            "target_column": "id",
            "id_kind": kind,
            "form": form,
            "expression": expression,
        }
    )


def rewritten(text: str, *references: SoftReference) -> str:
    spots = [Spot(place, number, one.id_kind) for number, one in enumerate(references) for place in one.places]
    return rewriter(Reading((), tuple(spots)), [final_ids(MOVED, str)] * len(references))(text)


@pytest.mark.parametrize(
    ("one", "text", "expected"),
    [
        (reference("value"), " 1 ", " 101 "),
        (reference("value"), "12", "12"),
        (reference("value"), "", ""),
        (reference("list", ","), "1, 2,3 ,, [30]", "101, 102,3 ,, [7]"),
        (reference("list", ";"), '"1";"9"', '"101";"9"'),
        (reference("pattern", "document_%d"), "document_1 document_2x document_12", "document_101 document_102x document_12"),
        (
            reference("json", "$.ids[*]"),
            '{ "ids" :[1,\n "2", 1.0, null,true, [1]] , "n":1}',
            '{ "ids" :[101,\n "102", 1.0, null,true, [1]] , "n":1}',
        ),
        (reference("json", "$.by.*~"), '{"by":{"1":{"1":1},"9":2}}', '{"by":{"101":{"1":1},"9":2}}'),
        (reference("json", "$[1].id"), '[{"id":1},{"id":1}]', '[{"id":1},{"id":101}]'),
        (reference("json", '$."a.b"'), '{"a.b": 2, "a": {"b": 2}}', '{"a.b": 102, "a": {"b": 2}}'),
        (reference("json", "$.id"), '{"id": 1', '{"id": 1'),
        (reference("json", "$.id"), '{"id": "\\u0031", "t": "{\\"id\\": 1}"}', '{"id": "101", "t": "{\\"id\\": 1}"}'),
    ],
)  # fmt: skip
def test_ids_are_replaced_in_declared_places_only(one: SoftReference, text: str, expected: str) -> None:
    assert rewritten(text, one) == expected


def test_every_id_of_a_string_with_several_is_replaced() -> None:
    first, second = (reference("pattern", "%d-{pk:03}").model_copy(update={"part": part}) for part in (0, 1))

    assert rewritten("1-002, 9-030 2-2 30-1000", first, second) == "101-102, 9-007 2-2 7-1000"


PAGE = '<a linktype="page" id="%d">'


@pytest.mark.parametrize(
    ("one", "template"),  # an id that is to be replaced stands between @
    [
        (reference("json", "$.id"), '{"id": 1, "x": "\\ud800"}'),
        (reference("json", "$.id"), '{"id": 1, "x": NaN}'),
        (reference("json", '$."a".json().id'), '{"a": "\\u007b\\"id\\": \\"@1@\\"}\\t", "id": 1}'),
        (reference("json", "$.a.json().b.json()[0]"), json.dumps({"a": json.dumps({"b": "[@1@, 2]"})})),
        (
            reference("json", "$..[?@.t == 1.0 && !@.no].id"),
            '[{"t":1,"id":@1@},{"t":"1","id":1},{"t":1,"no":null,"id":1}]',
        ),
        (reference("json", "$[?@.a.b[1] != null].id"), '[{"a":{"b":[0,null]},"id":1},{"id":@1@}]'),
        (reference("pattern", "p/{pk:03}.pdf"), "p/@001@.pdf p/0001.pdf p/1.pdf p/@030@.pdf p/@002@.pdf"),
        (reference("pattern", "%03d"), "@001@ 0001 x001 a/@002@"),
        (reference("tag", PAGE), "<a id=@1@ linktype=page><A  LINKTYPE='page' ID='@2@' id='1'>"),
        (reference("tag", PAGE), '<a linktype="page" id="1x"><b id="1" linktype="page"><ab linktype="page" id="1">'),
        (reference("tag", PAGE), """<a title='linktype="page" id="1"'><a linktype=page id=1"""),
    ],
)
def test_ids_are_replaced_in_nested_filtered_padded_and_tagged_places(one: SoftReference, template: str) -> None:
    finals = {"1": "101", "2": "102", "001": "101", "002": "102", "030": "007"}
    parts = template.split("@")

    now = rewritten("".join(parts), one)

    assert now == "".join(finals[part] if number % 2 else part for number, part in enumerate(parts))


def test_a_document_nested_too_deeply_is_refused_with_an_error() -> None:
    for levels in (250, 3000):
        with pytest.raises(MergeRefused, match="200 levels"):
            rewritten("[" * levels + "]" * levels, reference("json", "$..id"))


def test_a_uuid_keeps_the_spelling_of_the_one_it_replaces() -> None:
    bare, dashed = "0" * 31 + "1", "11111111-2222-3333-4444-555555555555"
    assert with_dashes_as(bare, dashed) == dashed.replace("-", "")
    assert with_dashes_as(dashed, bare) == "00000000-0000-0000-0000-000000000001"


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 40) | st.floats(0, 40, allow_nan=False) | st.sampled_from(["1", "2", "x", 'q"{}[]', "ü"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["ids", "1", "2", "30", "a", 'k"']), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(document=values, indent=st.sampled_from([None, 1, "\t "]))
def test_only_ids_change_in_random_documents(document: Any, indent: Any) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    paths = (reference("json", "$.ids[*]"), reference("json", "$.a.*~"))

    now = rewritten(text, *paths)

    assert json.loads(now) == expected(document)
    if expected(document) == document:
        assert now == text


def expected(document: Any) -> Any:
    """The same by plain Python, on the document taken apart."""
    if not isinstance(document, dict):
        return document
    made = dict(document)
    if isinstance(made.get("ids"), list):
        made["ids"] = [moved(one) for one in made["ids"]]
    if isinstance(made.get("a"), dict):
        made["a"] = {MOVED.get(key, key): value for key, value in made["a"].items()}
    return made


def moved(one: Any) -> Any:
    if isinstance(one, bool) or not isinstance(one, int | str):
        return one
    final = MOVED.get(str(one))
    return one if final is None else type(one)(final)
