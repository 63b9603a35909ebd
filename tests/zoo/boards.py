"""Boards: a model of the systems of `merged_systems.py` with references in every kind of document in a column, and in odd columns.

What a board has, by names, and how that is written with ids. `boards_by_hand.py` reads it back, without anything of this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

MODELS = """
class Board(models.Model):
    name = models.CharField(max_length=20, unique=True)
    stream = models.JSONField()                             # blocks that say by a sibling what their value is
    stored = models.TextField()                             # the same in a string in JSON
    query = models.TextField()                              # lists in lists: [tag, operator, documents]
    shown = models.JSONField()                              # strings in JSON
    padded_document_id = models.CharField(max_length=20)
    exact_document_id = models.FloatField(null=True)
    document_trail = models.CharField(max_length=200)       # /12/34/
    memo_id = models.IntegerField(null=True)                # of a model that is a child of another
class Memo(Document):
    subject = models.CharField(max_length=20)
class Summary(models.Model):                                # the primary key is the id of another row
    document_ref = models.IntegerField(primary_key=True)
    text = models.CharField(max_length=20)
"""
_STREAM = {"stream": "$..", "stored": "$.body.json().."}

DECLARED: dict[str, dict[str, Any]] = {
    f"{column} {kind}s": {"column": f"small.Board.{column}", "target": target, "json": f'{path}[?@.type == "{kind}"].value', **also}
    for column, path in _STREAM.items()
    for kind, target, also in (
        ("document", "small.Document", {}),
        ("tag", "small.Tag", {}),
        ("text", "small.Document", {"tag": '<a linktype="document" id="%d">'}),
    )
} | {
    "query tags": {"column": "small.Board.query", "target": "small.Tag", "json": '$..(?match(@[1], "[a-z]+"))[0]'},
    "query documents": {"column": "small.Board.query", "target": "small.Document", "json": '$..(?@[1] == "contains")[2][*]'},
    "shown": {"column": "small.Board.shown", "target": "small.Tag", "json": "$[*]", "pattern": "tag_%d"},
    "padded": {"column": "small.Board.padded_document_id", "target": "small.Document", "pattern": "{pk:07}"},
    "exact": {"column": "small.Board.exact_document_id", "target": "small.Document"},
    "trail": {"column": "small.Board.document_trail", "target": "small.Document", "separator": "/"},
    "summaries": {"column": "small.Summary.document_ref", "target": "small.Document"},
    "memos": {"column": "small.Board.memo_id", "target": "small.Memo"},
}  # fmt: skip
TELLING = (
    "stream documents",
    "stored documents",
    "stream texts",
    "stored texts",
    "shown",
    "padded",
    "exact",
    "trail",
    "memos",
    "summaries",
)
"""Declarations of what is found undeclared, because its name speaks of its model."""

COLUMNS = "id, name, stream, stored, query, shown, padded_document_id, exact_document_id, document_trail, memo_id"

Found = Callable[[str, str | None], int | None]
"""From a model and a name to the id, as a system has it."""


@st.composite
def boards(draw: st.DrawFn, documents: list[str], tags: list[str], memos: list[str]) -> dict[str, Any]:
    """One board; the lists are the names that it may refer to."""
    document, tag = st.sampled_from(documents), st.sampled_from(tags)
    leaves = st.one_of(
        st.tuples(st.just("document"), document),
        st.tuples(st.just("tag"), tag),
        st.tuples(st.just("text"), st.lists(document, max_size=2)),
        st.just(("heading", "7")),
    )
    groups = lambda inner: st.tuples(st.just("group"), st.lists(inner, max_size=3))  # noqa: E731
    asked = st.one_of(
        st.tuples(st.just("exists"), tag, st.just(())),
        st.tuples(st.just("contains"), tag, st.lists(document, max_size=2)),
    )
    joined = lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, max_size=2))  # noqa: E731
    return {
        "stream": draw(st.lists(st.recursive(leaves, groups, max_leaves=4), max_size=3)),
        "stored": draw(st.lists(st.recursive(leaves, groups, max_leaves=4), max_size=3)),
        "query": draw(st.none() | st.recursive(asked, joined, max_leaves=3)),
        "shown": draw(st.lists(tag, max_size=2)),
        "padded": draw(st.none() | document),
        "exact": draw(st.none() | document),
        "trail": draw(st.lists(document, max_size=3)),
        "memo": draw(st.sampled_from([None, *memos])),
    }


def written(board: Mapping[str, Any], found: Found) -> tuple[Any, ...]:
    """The columns of a board after its id and name, in the order of `COLUMNS`."""

    def block(kind: str, value: Any) -> dict[str, Any]:
        if kind in ("document", "tag"):
            value = found(kind, value)
        elif kind == "text":
            value = " 7 ".join(f'<p>7 <a id="{found("document", one)}" linktype="document">7</a></p>' for one in value)
        elif kind == "group":
            value = [block(*one) for one in value]
        return {"type": kind, "value": value, "id": "a1"}

    def asked(query: Any) -> Any:
        if query[0] in ("AND", "OR"):
            return [query[0], [asked(one) for one in query[1]]]
        operator, tag, documents = query
        return [found("tag", tag), operator, [found("document", one) for one in documents] if documents else True]

    padded, exact = found("document", board["padded"]), found("document", board["exact"])
    trail = "".join(f"{found('document', one)}/" for one in board["trail"])
    return (
        json.dumps([block(*one) for one in board["stream"]]),
        json.dumps({"pk": None, "body": json.dumps([block(*one) for one in board["stored"]])}),
        "" if board["query"] is None else json.dumps(asked(board["query"])),
        json.dumps(["title", *(f"tag_{found('tag', one)}" for one in board["shown"])]),
        "" if padded is None else f"{padded:07}",
        None if exact is None else float(exact),
        f"/{trail}" if trail else "",
        found("memo", board["memo"]),
    )
