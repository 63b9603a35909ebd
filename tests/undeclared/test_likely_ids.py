"""What holds ids is found, in one row or in thousands, at any depth; what counts, measures or dates is left in peace."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Sequence
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edms_tasks.inventory.model import Column, ForeignReference, LogicalType, Table
from edms_tasks.undeclared.collected_values import make_values
from edms_tasks.undeclared.ids_in_columns import OF_IDS, collect_by_kind, collect_column
from edms_tasks.undeclared.ids_in_texts import JOINED, LIST
from edms_tasks.undeclared.likely_ids import TARGET_IDS, find_suspects
from edms_tasks.undeclared.names_of_models import Names


def _table(label: str, *references: ForeignReference) -> Table:
    return Table(id=label.lower(), schema_name=None, name=label.lower(), model=label, columns=(), references=references)


OWNER = ForeignReference(kind="foreign", name="owner", columns=("owner_id",), target="x.user", target_columns=("id",))
# Dense ids, as most systems have them: every small number is one of a document, a page and a user.
IDS = {"x.Document": range(1, 1001), "x.Page": range(1, 322), "x.CustomImage": range(1, 51), "x.User": range(1, 31)}
FILES = [uuid.UUID(int=random.Random(1).getrandbits(128)) for _ in range(5)]
random_numbers = random.Random(7)


@pytest.fixture(scope="module")
def workspace() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE {TARGET_IDS} (target INTEGER, value VARCHAR, number BIGINT, moves BOOLEAN)")
    for number, ids in enumerate(IDS.values()):
        connection.execute(
            f"INSERT INTO {TARGET_IDS} SELECT ?, unnest(?)::VARCHAR, unnest(?), true", [number, [*ids], [*ids]]
        )
    connection.execute(f"INSERT INTO {TARGET_IDS} SELECT 4, unnest(?), NULL, true", [[one.hex for one in FILES]])
    return connection


def suspected(
    workspace: duckdb.DuckDBPyConnection,
    name: str,
    values: Sequence[object],
    kind: LogicalType = "text",
    beside: str = "",
) -> set[str]:
    """The models whose ids a column with these values is suspected to hold; `beside` is what each row has beside it."""
    tables = [*map(_table, IDS), _table("x.File")]
    column = Column(name=name, native_type="", logical_type=kind, nullable=True)
    make_values(workspace)
    texts = [one if isinstance(one, str) else json.dumps(one) for one in values]
    workspace.execute(
        "CREATE OR REPLACE TABLE rows AS SELECT unnest(?) AS text, unnest(?) AS kind, true AS touched",
        [texts, [*beside.ljust(len(texts))]],
    )
    collect_column(workspace, "x.Row.column", column, "rows")
    if beside:
        collect_by_kind(workspace, "x.Row.column", column, [("kind", "rows")])
    names = Names(tables, {table.id: table for table in [*tables, _table("x.Row", OWNER)]})
    return {tables[target].label for suspect in find_suspects(workspace, tables, names) for target in suspect.targets}


def as_jsonb(kind: str, value: int, number: int) -> str:
    """A block of a stream as PostgreSQL writes it: short keys first."""
    return json.dumps(
        [{"id": str(uuid.UUID(int=random.Random(number).getrandbits(128))), "type": kind, "value": value}]
    )


def stream(*blocks: tuple[str, object]) -> str:
    return json.dumps([{"type": kind, "value": value, "id": "a1"} for kind, value in blocks])


MANY = [random_numbers.randint(1, 321) for _ in range(200)]
HOLD_IDS: dict[str, tuple[str, Sequence[object], LogicalType, str]] = {
    "a single number": ("document_id", [7], "integer", "x.Document"),
    "a single number, named by a field elsewhere": ("owner_ref", [7], "integer", "x.User"),
    "a model's name alone": ("document", [7, 900], "integer", "x.Document"),
    "a text that is one id": ("page_pk", ["7", "", ""], "text", "x.Page"),
    "of any model": ("object_pk", ["7", "12", "311"], "text", "x.Document"),
    "ids among other texts": ("document_ref", ["7", "8", "none"], "text", "x.Document"),
    "numbers that no name speaks for": ("link", MANY, "integer", "x.Page"),
    "a list": ("document_list", ["7, 8", "9"], "text", "x.Document"),
    "an array": ("documents", ["{7,8}"], "other", "x.Document"),
    "a list of texts in JSON": ("users", [["7", "8"]], "json", "x.User"),
    "a UUID of whatever name": ("note", [f"see {{'x': '{FILES[0]}'}}", f'{{"x": "{FILES[0]}"}}'], "text", "x.File"),
    "a UUID without dashes": ("ref", [FILES[1].hex], "text", "x.File"),
    "a member of JSON": ("data", [{"a": {"b": [{"documentId": 7}]}}], "json", "x.Document"),
    "a member that is named like a field": ("data", [{"owner": 7}], "json", "x.User"),
    "members in a list": ("data", [{"a": [{"document_ids": ["7", "8"]}]}], "json", "x.Document"),
    "keys of JSON": ("data", [{"by_page": {"7": 1, "8": 2}}], "json", "x.Page"),
    "keys of all of the JSON": ("page_values", [{"7": 1, "8": 2.5}], "json", "x.Page"),
    "ids first in the lists of a query": (
        "filter_page_query",
        [json.dumps(["OR", [[7, "gt", 3], ["NOT", [8, "exists", "false"]]]])],
        "text",
        "x.Page",
    ),
    "blocks of a stream": ("body", [stream(("image", 7), ("heading", "7 things"))], "text", "x.CustomImage"),
    "blocks whose own ids come first": ("body", [as_jsonb("image", 7, 1)], "json", "x.CustomImage"),
    "rows named by type and id": ("body", [{"id": 7, "type": "image", "value": "x"}], "json", "x.CustomImage"),
    "blocks within blocks": ("body", [stream(("hero", [{"type": "page", "value": 7}]))], "json", "x.Page"),
    "struct blocks without a telling name": (
        "body",
        [stream(("hero", {"goto": one, "text": "x"})) for one in MANY],
        "json",
        "x.Page",
    ),
    "rich text": ("text", ['<p><a id="7" linktype="page">x</a></p>'], "text", "x.Page"),
    "rich text in another order": (
        "text",
        ['<embed alt="a" embedtype="image" format="left" id="7"/>'],
        "text",
        "x.CustomImage",
    ),
    "rich text in JSON": ("body", [stream(("text", '<a linktype="document" id="7">x</a>'))], "json", "x.Document"),
    "an address": ("text", ['<a href="/documents/7/view/">x</a>'], "text", "x.Document"),
    "an attribute": ("text", ['<img data-document-id="7">'], "text", "x.Document"),
    "a model and an id": ("name", ["library.Document.7", "library.Document.12"], "text", "x.Document"),
    "a pattern": ("layout", ["x_document_7"], "text", "x.Document"),
    "JSON in a string in JSON": ("content", [{"content": json.dumps({"document_id": 7})}], "json", "x.Document"),
    "twice in a string": ("content", [{"a": json.dumps({"b": json.dumps({"user_id": 7})})}], "json", "x.User"),
    "a stored copy of a row": ("content", [{"pk": 7, "owner": 3, "title": "x"}], "json", "x.User"),
    "nested lists of a query": (
        "query",
        [json.dumps(["OR", [["documents__id__in", [7, 8]], ["x", "y"]]])],
        "text",
        "x.Document",
    ),
    "two ids joined": ("place", [f"{one}-{n % 3 + 1}" for n, one in enumerate(MANY)], "text", "x.Page"),
    "two ids joined in JSON": ("place", [f"3:{one}" for one in MANY], "json", "x.Page"),
    "a joined id, named": ("page_ref", ["7-1"], "text", "x.Page"),
    "keys of a document": (
        "seen",
        [{str(one): True, str(other): False} for one, other in pairwise(MANY)],
        "json",
        "x.Page",
    ),
    "numbers after a sign": ("remark", [f"as said in #{one}, see there" for one in MANY], "text", "x.Page"),
    "a list between separators": (
        "tags",
        [f"|{one}|{other}|" for one, other in pairwise(MANY)],
        "text",
        "x.Page",
    ),
    "one id between separators": ("tags", [f",{one}," for one in MANY], "text", "x.Page"),
    "a path of ids": (
        "way",
        [f"/{one}/{other}/" for one, other in pairwise(MANY)],
        "text",
        "x.Page",
    ),
    "quoted ids after a name": ("remark", ["documents: '7;8'"], "text", "x.Document"),
    "decimals": ("a", [f"{one}.00" for one in MANY], "decimal", "x.Page"),
    "each id once": ("a", random.Random(3).sample(range(1, 322), 321), "integer", "x.Page"),
    "padded with zeros": ("document_ref", ["0000007", "0001000"], "text", "x.Document"),
    "padded after a name": ("thumb", ["thumbs/document-0000007.webp"], "text", "x.Document"),
    "with blanks around it": ("document", [" 7 ", "8\n"], "text", "x.Document"),
    "a number with a fraction of zero in JSON": ("data", [{"document_id": 7.0}], "json", "x.Document"),
    "a condition with an operator": ("query", [["document_id", "in", [7, 8]]], "json", "x.Document"),
    "a condition with names": ("query", [[{"field": "document", "op": "is", "value": 7}]], "json", "x.Document"),
    "conditions on several": (
        "query",
        [{"value": ["7", "8"], "op": "in", "field": "document__id"}],
        "json",
        "x.Document",
    ),
    "an element of XML": ("config", ["<a><document-ref>7</document-ref></a>"], "text", "x.Document"),
    "an id within an element": ("config", ["<document><id>7</id></document>"], "text", "x.Document"),
    "a path of ids with a name": ("document_path", ["/7/8/"], "text", "x.Document"),
    "a path of padded ids": ("document_path", ["000007/000008", "000009"], "text", "x.Document"),
    "a path with dots": ("document_path", ["7.8.9", "7.8"], "other", "x.Document"),
    "after a word and a sign": ("remark", ["as in document #7, page 3"], "text", "x.Document"),
    "one between bars": ("document_path", ["|7|"], "text", "x.Document"),
    "two ids joined that the name names": ("document_user", ["7-3"], "text", "x.Document"),
    "the other one of them": ("file_user_key", ["7:3"], "text", "x.User"),
    "nested lists with texts": ("query", [json.dumps(["AND", [["page__id", "7"]]])], "text", "x.Page"),
}
MEAN_THEMSELVES: dict[str, tuple[str, Sequence[object], LogicalType]] = {
    "a counter": ("sequence", [*range(1, 300)], "integer"),
    "a counter without a telling name": ("a", [*range(1, 300)], "integer"),
    "positions within others": ("place", [*range(1, 6)] * 60, "integer"),
    "page numbers": ("leaf", [n for pages in range(1, 60) for n in range(1, pages)], "integer"),
    "years": ("made", [1990 + n % 36 for n in range(300)], "integer"),
    "years that are ids": ("since", [900 + n % 36 for n in range(300)], "integer"),
    "bytes": ("size", [random_numbers.randint(1, 10**7) for _ in range(300)], "integer"),
    "yes and no": ("active", [0, 1] * 50, "integer"),
    "per cent": ("done", [n * 5 for n in range(1, 21)] * 5, "integer"),
    "versions": ("version", [1, 2, 3, 1, 1, 2], "integer"),
    "a version of a page": ("page", [1, 2, 3, 1, 1, 2], "integer"),
    "ids of something else": ("external_id", ["7", "12", "311"], "text"),
    "ids that are nowhere": ("document_id", [10**6 + n for n in range(50)], "integer"),
    "words": ("document_id", ["SOP-7", "SOP-8"], "text"),
    "prose": ("content", ["Document 7 has 12 pages and refers to document 8; see 3.1, 2024-05-07 and 10/12."], "text"),
    "dates": ("text", ["2024-01-05", "2024-12-31"], "text"),
    "ranges": ("span", ["1-3", "7-12", "2-9"] * 20, "text"),
    "days": ("day", [f"2024-{n % 12 + 1}-{n % 28 + 1}" for n in range(300)], "text"),
    "measures in JSON": ("data", [{"width": 7, "height": 12, "rating": 3, "items": 4, "order": 2}], "json"),
    "settings": ("value", ["30", "true", "5", "smtp", "25"], "text"),
    "attributes of tags": ("text", ['<td colspan="7" width="12"><ol start="8">'], "text"),
    "a heading of level 2": ("body", [stream(("heading", {"level": 2, "text": "x"}), ("columns", 3))], "json"),
    "numbers in blocks with ids of their own": (
        "body",
        [as_jsonb("number", one, one) for one in (3, 5, 1999)]
        + [json.dumps([{"type": "number", "value": one}]) for one in (3, 5, 3, 5)],
        "json",
    ),
    "measures of charts": ("body", [{"rows": [[1, 2, 7], [3, 4, 12]]}], "json"),
    "measures with their units": ("extent", [{"a": [[7, "cm"], [12, "cm"]], "b": [3, "kg"]}], "json"),
    "versions of programs": ("made_by", ["Document v1.7, Page 3.12, see page.7 of 9; the page. 12 more"], "text"),
    "numbered texts": ("steps", [{"1": "open", "2": "close", "3": "leave"}] * 40, "json"),
    "a list of positions": ("order_list", ["1,2,3,4"], "text"),
    "pages in a text": ("layout", ["see page_7 and page_8, page_300"], "text"),
    "colours": ("style", ["color: #123456; background: #7" + 5 * "0"], "text"),
    "fractions": ("a", [f"{one}.5" for one in MANY], "decimal"),
    "keys that are years": ("per_year", [{"2021": 3, "2022": 4}], "json"),
    "times and shares": ("note", ["at 10:30, ratio 3:4, 1/2 of it, #1 of 3"], "text"),
    "padded codes": ("code", [f"{one:05}" for one in MANY], "text"),
    "padded numbers of documents": ("document_number", ["000007", "000008"], "text"),
    "versions of documents": ("document_version", ["1.7", "2.12.3"], "text"),
    "prices": ("price", ["12.50", "7.20"], "text"),
    "days and months": ("stamp", ["01.05.", "07/08", "0112"], "text"),
    "cells of tables": ("text", ["<table><td>7</td><td>12</td></table><b>3</b>"], "text"),
    "conditions on measures": ("query", [[{"field": "width", "op": "gt", "value": 7}, ["size", "lt", 12]]], "json"),
    "names and values of settings": (
        "data",
        [{"name": "retries", "value": 7}, {"name": "colour", "value": "12"}],
        "json",
    ),
    "nothing": ("document_id", [], "integer"),
    "zeros": ("document_id", [0, 0], "integer"),
}


@pytest.mark.parametrize("what", HOLD_IDS)
def test_columns_with_ids_are_found(workspace: duckdb.DuckDBPyConnection, what: str) -> None:
    name, values, kind, model = HOLD_IDS[what]

    found = suspected(workspace, name, values, kind)

    assert model in found


@pytest.mark.parametrize("what", MEAN_THEMSELVES)
def test_numbers_that_count_or_measure_are_not_references(workspace: duckdb.DuckDBPyConnection, what: str) -> None:
    assert suspected(workspace, *MEAN_THEMSELVES[what]) == set()


def test_another_column_can_say_which_values_are_ids(workspace: duckdb.DuckDBPyConnection) -> None:
    values, kinds = ["7", "invoice", "8", "2024-01-01", "9"], "axabx"

    assert suspected(workspace, "value", values) == set()
    assert "x.Page" in suspected(workspace, "value", values, beside=kinds)
    assert suspected(workspace, "value", values, beside="aaabb") == set()  # no kind whose values all are ids


def test_rows_that_are_not_written_are_not_suspected(workspace: duckdb.DuckDBPyConnection) -> None:
    make_values(workspace)
    workspace.execute("CREATE OR REPLACE TABLE rows AS SELECT '7' AS text, false AS touched")
    column = Column(name="document_id", native_type="", logical_type="integer", nullable=True)
    collect_column(workspace, "x.Row.document_id", column, "rows")
    tables = [*map(_table, IDS), _table("x.File")]

    assert find_suspects(workspace, tables, Names(tables, {})) == []


def test_declared_ids_are_masked_and_the_other_ids_are_found(workspace: duckdb.DuckDBPyConnection) -> None:
    make_values(workspace)
    workspace.execute(
        """CREATE OR REPLACE TABLE rows AS SELECT '{"document_id": 7, "other": {"document_id": 8}}' AS text, true AS touched"""
    )
    column = Column(name="data", native_type="", logical_type="json", nullable=True)
    collect_column(workspace, "x.Row.data", column, "rows", lambda text: text.replace(": 7", ": 0"))
    tables = [*map(_table, IDS), _table("x.File")]

    (suspect,) = find_suspects(workspace, tables, Names(tables, {}))

    assert suspect.examples == ("8",)


def test_a_whole_value_that_is_declared_is_masked_too(workspace: duckdb.DuckDBPyConnection) -> None:
    make_values(workspace)
    workspace.execute("CREATE OR REPLACE TABLE rows AS SELECT unnest(['7', '7, 8', 'x']) AS text, true AS touched")
    column = Column(name="document_ids", native_type="", logical_type="text", nullable=True)
    collect_column(
        workspace, "x.Row.document_ids", column, "rows", lambda text: text.replace("7", "0").replace("8", "0")
    )
    tables = [*map(_table, IDS), _table("x.File")]

    assert find_suspects(workspace, tables, Names(tables, {})) == []


def test_an_id_in_a_list_beside_a_declared_one_is_found(workspace: duckdb.DuckDBPyConnection) -> None:
    make_values(workspace)
    workspace.execute("CREATE OR REPLACE TABLE rows AS SELECT 'documents: ''7;8''' AS text, true AS touched")
    column = Column(name="data", native_type="", logical_type="text", nullable=True)
    collect_column(workspace, "x.Row.data", column, "rows", lambda text: text.replace("7", "0"))
    tables = [*map(_table, IDS), _table("x.File")]

    (suspect,) = find_suspects(workspace, tables, Names(tables, {}))

    assert suspect.examples == ("8",)


@given(st.one_of(st.from_regex(re.compile(LIST, re.ASCII), fullmatch=True), st.from_regex(JOINED, fullmatch=True)))
def test_what_lists_and_joins_ids_is_never_left_out_before_it_is_searched(text: str) -> None:
    assert re.fullmatch(OF_IDS, text, re.ASCII)
