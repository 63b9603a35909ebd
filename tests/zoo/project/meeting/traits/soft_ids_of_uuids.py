"""Ids that are UUIDs, in every spelling: in a column of their kind, in texts with and without dashes, a list, JSON, a tag."""

from __future__ import annotations

import uuid

from django.db import models


class Leaf(models.Model):
    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=20, unique=True)


class Mention(models.Model):
    name = models.CharField(max_length=20, unique=True)
    leaf_uuid = models.UUIDField()
    dashed = models.CharField(max_length=40)
    bare = models.CharField(max_length=40)
    listed = models.TextField()
    body = models.JSONField()
    text = models.TextField()


DECLARED = (
    {"column": "meeting.Mention.leaf_uuid", "target": "meeting.Leaf"},
    {"column": "meeting.Mention.dashed", "target": "meeting.Leaf"},
    {"column": "meeting.Mention.bare", "target": "meeting.Leaf"},
    {"column": "meeting.Mention.listed", "target": "meeting.Leaf", "separator": ","},
    {"column": "meeting.Mention.body", "target": "meeting.Leaf", "json": "$..leaf"},
    {"column": "meeting.Mention.text", "target": "meeting.Leaf", "tag": '<a linktype="leaf" id="%s">'},
)


def fill(names: tuple[str, ...]) -> None:
    ids = {name: uuid.uuid4() for name in names}
    for name in names:
        Leaf.objects.create(id=ids[name], name=name)
    for number, name in enumerate(names):
        one, other = ids[name], ids[names[number - 1]]
        Mention.objects.create(
            name=name,
            leaf_uuid=other,
            dashed=str(other),
            bare=other.hex,
            listed=f"{one},{other}",
            body={"a": [{"leaf": str(other)}, {"leaf": one.hex}]},
            text=f'see <a id="{other}" linktype="leaf">it</a>',
        )


def say() -> dict[str, object]:
    import re

    known = {leaf.id.hex: leaf.name for leaf in Leaf.objects.all()}

    def of(text: object) -> str:
        return known.get(str(text).replace("-", ""), "?")

    return {
        one.name: [
            of(one.leaf_uuid),
            of(one.dashed),
            "-" in one.dashed,
            of(one.bare),
            "-" in one.bare,
            [of(x) for x in one.listed.split(",")],
            [of(x["leaf"]) for x in one.body["a"]],
            of(re.search('id="([^"]*)"', one.text)[1]),
        ]
        for one in Mention.objects.all()
    } | {f"leaf {n}": n for n in known.values()}
