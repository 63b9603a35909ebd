"""Content types of models that are gone, in one system only; generic references to them; permissions that depend on them."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Mark(models.Model):
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()


def fill(names: tuple[str, ...]) -> None:
    gone = ContentType.objects.create(app_label="gone", model=f"of{names[0]}")
    shared = ContentType.objects.create(app_label="gone", model="shared")
    for number, name in enumerate(names, 1):
        for kind in (gone, shared):
            p = Permission.objects.create(content_type=kind, codename=f"do_{name}", name=name)
            Group.objects.get_or_create(name=f"g {name}")[0].permissions.add(p)
        Mark.objects.create(name=f"{names[0]} {name}", content_type=gone if number == 1 else shared, object_id=number)


def say() -> dict[str, object]:
    said = {m.name: [m.content_type.model] for m in Mark.objects.all()}
    return said | {
        f"{g.name} {p.codename} {p.content_type.model}": 1 for g in Group.objects.all() for p in g.permissions.all()
    }
