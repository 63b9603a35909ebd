"""Random nested documents that know where their ids are, and their text under any ids: what a rewrite must make, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

DECLARED: list[dict[str, str]] = [
    {"target": "image", "json": '$..[?@.type == "image"].value'},
    {"target": "page", "json": "$..[?type == 'page' && @.value != \"none\"].value"},
    {"target": "page", "json": '$..[?@.type == "paragraph"].value', "tag": '<a linktype="page" id="%d">'},
    {"target": "image", "json": '$..[?@.type == "paragraph"].value', "tag": "<embed id='%d' embedtype='image'/>"},
    {"target": "page", "json": "$..by.*~"},
    {"target": "image", "json": '$..query..(?match(@[1], "[a-z]+"))[0]'},
    {"target": "page", "json": "$..labels[*]", "pattern": "custom_%d"},
    {"target": "page", "json": "$..listed", "separator": ","},
    {"target": "image", "json": '$..raw.json()..[?@.type == "image"].value'},
    {"target": "page", "json": '$..raw.json()..[?@.type == "paragraph"].value', "tag": '<a linktype="page" id="%d">'},
]


@dataclass(frozen=True)
class Id:
    """The id of a row: its number in `image` or `page`, as a number, in a string, in a text or as a key."""

    declaration: int
    number: int
    before: str = ""
    after: str = ""
    as_text: bool = False


@dataclass(frozen=True)
class Texts:
    """A string with ids among other text."""

    parts: tuple[str | Id, ...]


@dataclass(frozen=True)
class Inner:
    """A string that is JSON."""

    node: Any
    indent: int | None


@dataclass(frozen=True)
class Document:
    """A document and how it is written."""

    node: Any
    indent: int | str | None
    ascii_only: bool

    def text(self, ids: Mapping[str, Callable[[int], int]]) -> str:
        """As JSON, each id by its row's number and the target's function."""
        return json.dumps(_plain(self.node, ids), indent=self.indent, ensure_ascii=self.ascii_only)

    def found(self) -> set[tuple[int, int]]:
        """(declaration, number) of all ids."""
        return {(one.declaration, one.number) for one in _ids(self.node)}


def _shown(one: Id, ids: Mapping[str, Callable[[int], int]]) -> str:
    return f"{one.before}{ids[DECLARED[one.declaration]['target']](one.number)}{one.after}"


def _plain(node: Any, ids: Mapping[str, Callable[[int], int]]) -> Any:
    if isinstance(node, Id):
        return _shown(node, ids) if node.as_text else int(_shown(node, ids))
    if isinstance(node, Texts):
        return "".join(part if isinstance(part, str) else _shown(part, ids) for part in node.parts)
    if isinstance(node, Inner):
        return json.dumps(_plain(node.node, ids), indent=node.indent)
    if isinstance(node, dict):
        return {_shown(key, ids) if isinstance(key, Id) else key: _plain(value, ids) for key, value in node.items()}
    return [_plain(one, ids) for one in node] if isinstance(node, list) else node


def _ids(node: Any) -> Iterator[Id]:
    if isinstance(node, Id):
        yield node
    elif isinstance(node, Texts):
        yield from (part for part in node.parts if isinstance(part, Id))
    elif isinstance(node, Inner):
        yield from _ids(node.node)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(key, Id):
                yield key
            yield from _ids(value)
    elif isinstance(node, list):
        for one in node:
            yield from _ids(one)


_NUMBERS = st.integers(1, 5)
_NOISE = st.sampled_from(
    ["", " ", "x", 'q"<', "é\\", "<p>", "</a>", "1", "<a>2</a>", '<a id="3">', "<!-- 4 -->", "\n", "😀"]
)


def _id(declaration: int, **more: Any) -> st.SearchStrategy[Id]:
    return st.builds(Id, st.just(declaration), _NUMBERS, **{name: st.just(value) for name, value in more.items()})


@st.composite
def _tag(draw: st.DrawFn, declaration: int, element: str, kind: str) -> list[str | Id]:
    """A tag with its attributes in any order and either kind of quotes."""
    quote = draw(st.sampled_from(['"', "'"]))
    attributes: list[list[str | Id]] = [
        [draw(_id(declaration, before=f"id={quote}", after=quote, as_text=True))],
        [f"{kind[0]} = {draw(st.sampled_from([chr(34), chr(39)]))}{kind[1]}"],
        [draw(st.sampled_from(['alt=">"', "title='id=1'", 'data-id="2"', "hidden"]))],
    ]
    attributes[1] = [attributes[1][0] + attributes[1][0][len(kind[0]) + 3]]  # type: ignore[operator,index]
    parts: list[str | Id] = [draw(st.sampled_from([f"<{element}", f"<{element.upper()}"]))]
    for one in draw(st.permutations(attributes)):
        parts += [draw(st.sampled_from([" ", "\n "])), *one]
    return [*parts, draw(st.sampled_from([">", " />"]))]


def _rich(page: int, image: int | None) -> st.SearchStrategy[Texts]:
    tags = [_tag(page, "a", ("linktype", "page"))]
    if image is not None:
        tags.append(_tag(image, "embed", ("embedtype", "image")))
    piece = st.one_of(_NOISE.map(lambda text: [text]), *tags)
    return st.lists(piece, max_size=5).map(lambda pieces: Texts(tuple(part for piece in pieces for part in piece)))


def _block(kind: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    made = st.fixed_dictionaries({"type": st.just(kind), "value": value}, optional={"id": _NUMBERS})
    return made.flatmap(lambda block: st.permutations(list(block.items())).map(dict))


_DECOYS = st.one_of(
    st.none(), st.booleans(), _NUMBERS, st.floats(0, 9, allow_nan=False), st.sampled_from(["1", "2", "", "custom_1", "é\"", "[1]"])
)  # fmt: skip
_INNER = st.lists(
    st.one_of(_block("image", _id(8) | _id(8, as_text=True)), _block("paragraph", _rich(9, None)), _DECOYS), max_size=3
)
_LEAVES = st.one_of(
    _DECOYS,
    _block("image", _id(0) | _id(0, as_text=True)),
    _block("page", _id(1) | st.just("none")),
    _block("paragraph", _rich(2, 3)),
    st.fixed_dictionaries({"by": st.dictionaries(_id(4, as_text=True), _DECOYS, max_size=3)}),
    st.fixed_dictionaries(
        {"query": st.recursive(
            st.tuples(_id(5), st.sampled_from(["exists", "in"]), st.booleans() | st.lists(_NUMBERS, min_size=3)).map(list),
            lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, max_size=3)).map(list),
            max_leaves=4,
        )}
    ),
    st.fixed_dictionaries(
        {"labels": st.lists(st.builds(lambda one, more: Texts((more, one, "/")), _id(6, before="custom_", as_text=True), _NOISE))}
    ),
    st.fixed_dictionaries(
        {"listed": st.lists(_id(7, as_text=True), max_size=3).map(
            lambda ids: Texts(tuple(part for one in ids for part in (one, ", "))[:-1])
        )}
    ),
    st.fixed_dictionaries({"raw": st.builds(Inner, _INNER, st.sampled_from([None, 1]))}),
)  # fmt: skip
NODES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "type", "value", "é"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
# A filter chooses what is below the document, not the document itself.
DOCUMENTS = st.builds(Document, NODES.map(lambda node: [node]), st.sampled_from([None, 2, "\t"]), st.booleans())
