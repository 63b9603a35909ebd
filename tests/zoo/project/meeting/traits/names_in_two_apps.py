"""Models of one name in two apps: content types, serialized copies and references must not confuse them."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Doc(models.Model):
    name = models.CharField(max_length=20, unique=True)
    kind = "live"


class TwinDoc(models.Model):
    name = models.CharField(max_length=20, unique=True)
    original = models.ForeignKey(Doc, models.CASCADE)
    kind = "archived"

    class Meta:
        app_label = "twin"


class Pin(models.Model):
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    of = GenericForeignKey()
    label = models.CharField(max_length=40)
    doc_ref = models.IntegerField()
    twin_ref = models.IntegerField()


DECLARED = (
    {"column": "meeting.Pin.doc_ref", "target": "meeting.Doc"},
    {"column": "meeting.Pin.twin_ref", "target": "twin.TwinDoc"},
)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Doc.objects.create(id=number, name=name)
    for number, name in enumerate(names, 1):
        TwinDoc.objects.create(id=4 - number, name=name, original_id=number)
    for doc in (*Doc.objects.all(), *TwinDoc.objects.all()):
        Pin.objects.create(
            name=f"{doc.kind} {doc.name}",
            of=doc,
            doc_ref=Doc.objects.get(name=doc.name).id,
            twin_ref=TwinDoc.objects.get(name=doc.name).id,
        )


def say() -> dict[str, object]:
    said = {t.name: [t.original.name] for t in TwinDoc.objects.all()}
    docs, twins = dict(Doc.objects.values_list("id", "name")), dict(TwinDoc.objects.values_list("id", "name"))
    return said | {
        p.name: [p.of and p.of.kind, p.of and p.of.name, docs.get(p.doc_ref), twins.get(p.twin_ref)]
        for p in Pin.objects.all()
    }
