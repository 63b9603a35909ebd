"""A tree as django-mptt keeps it: nested sets in columns that must come back as they were, not be computed anew."""

from __future__ import annotations

from django.db import models


class Cabinet(models.Model):
    label = models.CharField(max_length=20)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    lft = models.PositiveIntegerField(editable=False)
    rght = models.PositiveIntegerField(editable=False)
    tree_id = models.PositiveIntegerField(db_index=True, editable=False)
    level = models.PositiveIntegerField(editable=False)

    class Meta:
        unique_together = (("parent", "label"),)


def fill() -> None:
    for tree, label in ((3, "root"), (1, "other root")):
        root = Cabinet.objects.create(label=label, lft=1, rght=6, tree_id=tree, level=0)
        first = Cabinet.objects.create(label="first", parent=root, lft=2, rght=5, tree_id=tree, level=1)
        Cabinet.objects.create(label="first", parent=first, lft=3, rght=4, tree_id=tree, level=2)
    # A tree that a crash left wrong is backed up as wrong as it is.
    Cabinet.objects.create(label="lost", lft=9, rght=2, tree_id=1, level=7)


def grow() -> None:
    Cabinet.objects.create(label="new", lft=1, rght=2, tree_id=4, level=0)
