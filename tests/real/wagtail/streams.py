"""StreamFields and rich text as Wagtail's editor stores them: with bare ids, at every depth."""

import json
import random
import uuid
from typing import Any

from site_parts import Parts


def rich_text(parts: Parts, rng: random.Random) -> str:
    """Links and pictures, with attributes in any order; and numbers that are no ids."""
    page, other = rng.sample(parts.articles, 2)
    image, paper = rng.choice(parts.images), rng.choice(parts.papers)
    return (
        f'<p>3 <b>of</b> 7: <a linktype="page" id="{page.pk}">one</a> and <a id="{other.pk}" linktype="page">two</a>, '
        f'<a id="{paper.pk}" linktype="document">a paper</a>, <a href="https://example.org/pages/5/">elsewhere</a></p>'
        f'<embed alt="図 5" embedtype="image" format="fullwidth" id="{image.pk}"/>'
    )


def body_of(parts: Parts, rng: random.Random) -> str:
    """The JSON of a body: each kind of block, alone, in structures, in lists, and in streams in lists."""
    image, page = rng.choice(parts.images).pk, rng.choice(parts.articles).pk
    table = {"data": [["1", "2"], ["3", "4"]], "first_row_is_table_header": True, "cell": [], "mergeCells": []}
    blocks = [
        ("heading", "Chapter 12"),
        ("number", rng.choice((3, 5, 1999))),
        ("text", rich_text(parts, rng)),
        ("image", image),
        ("picture", {"image": rng.choice(parts.images).pk, "decorative": False, "alt_text": "7"}),
        ("page", page),
        ("paper", rng.choice(parts.papers).pk),
        ("person", rng.choice(parts.people).pk),
        ("card", _card(parts, rng)),
        ("cards", [_block("item", _card(parts, rng), rng) for _ in range(2)]),
        ("columns", [_block("item", _column(parts, rng), rng) for _ in range(2)]),
        ("table", table),
    ]
    rng.shuffle(blocks)
    return json.dumps([_block(kind, value, rng) for kind, value in blocks])


def _card(parts: Parts, rng: random.Random) -> dict[str, Any]:
    return {
        "heading": "Card 5",
        "photo": rng.choice(parts.images).pk,
        "target": rng.choice([None, rng.choice(parts.articles).pk]),
        "papers": [_block("item", one.pk, rng) for one in rng.sample(parts.papers, 2)],
        "text": rich_text(parts, rng),
    }


def _column(parts: Parts, rng: random.Random) -> list[dict[str, Any]]:
    return [
        _block("text", rich_text(parts, rng), rng),
        _block("image", rng.choice(parts.images).pk, rng),
        _block("page", rng.choice(parts.articles).pk, rng),
        _block("card", _card(parts, rng), rng),
    ]


def _block(kind: str, value: Any, rng: random.Random) -> dict[str, Any]:
    return {"type": kind, "value": value, "id": str(uuid.UUID(int=rng.getrandbits(128), version=4))}
