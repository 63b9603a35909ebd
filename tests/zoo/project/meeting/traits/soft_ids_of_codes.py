"""Primary keys that are random codes beside a unique name: what refers to them softly follows, in columns, lists and JSON."""

from __future__ import annotations

import secrets

from django.db import models


class Drawer(models.Model):
    code = models.CharField(max_length=12, primary_key=True)
    name = models.CharField(max_length=20, unique=True)


class Content(models.Model):
    name = models.CharField(max_length=20, unique=True)
    drawer = models.ForeignKey(Drawer, models.CASCADE)
    drawer_code = models.CharField(max_length=12)
    drawers = models.TextField()
    body = models.JSONField()


DECLARED = (
    {"column": "meeting.Content.drawer_code", "target": "meeting.Drawer"},
    {"column": "meeting.Content.drawers", "target": "meeting.Drawer", "separator": ","},
    {"column": "meeting.Content.body", "target": "meeting.Drawer", "json": "$[*]"},
)
KEYS = {"meeting.Drawer": ["name"]}


def fill(names: tuple[str, ...]) -> None:
    codes = {name: "x" + secrets.token_hex(5) for name in names}
    for name in names:
        Drawer.objects.create(code=codes[name], name=name)
    for number, name in enumerate(names):
        other = codes[names[number - 1]]
        Content.objects.create(
            name=name, drawer_id=other, drawer_code=other, drawers=f"{other},{codes[name]}", body=[other]
        )


def say() -> dict[str, object]:
    known = {one.code: one.name for one in Drawer.objects.all()}

    def of(code: str) -> str:
        return known.get(code, "?")

    return {
        one.name: [
            of(one.drawer_id),
            of(one.drawer_code),
            [of(c) for c in one.drawers.split(",")],
            [of(c) for c in one.body],
        ]
        for one in Content.objects.all()
    } | {f"drawer {n}": n for n in known.values()}
