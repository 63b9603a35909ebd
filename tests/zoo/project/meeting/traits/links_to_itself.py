"""Many-to-many to itself: through a model with columns of its own, and symmetrical."""

from __future__ import annotations

from django.db import models


class Paper(models.Model):
    name = models.CharField(max_length=20, unique=True)
    related = models.ManyToManyField("self", through="Relation", symmetrical=False)
    siblings = models.ManyToManyField("self")


class Relation(models.Model):
    source = models.ForeignKey(Paper, models.CASCADE, related_name="out")
    to = models.ForeignKey(Paper, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    since = models.DateTimeField()

    class Meta:
        unique_together = (("source", "to", "kind"),)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Paper.objects.create(id=number, name=name)
    for number in (1, 2, 3):
        Relation.objects.create(
            source_id=number, to_id=number % 3 + 1, kind="next", since=f"2024-01-0{number}T00:00:00.000001Z"
        )
        Relation.objects.create(source_id=number, to_id=number, kind="self", since="2024-01-01T00:00:00Z")
    Paper.objects.get(id=1).siblings.add(2)


def say() -> dict[str, object]:
    said = {f"{r.source.name} {r.to.name} {r.kind}": str(r.since) for r in Relation.objects.all()}
    return said | {f"{p.name} ~ {s.name}": 1 for p in Paper.objects.all() for s in p.siblings.all()}
