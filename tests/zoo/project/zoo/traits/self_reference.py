"""Rows that point at rows of their own table: at earlier ones, at later ones, at themselves, in circles."""

from __future__ import annotations

from django.db import models


class Task(models.Model):
    code = models.CharField(max_length=20, unique=True)
    blocked_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    owner = models.ForeignKey("self", models.CASCADE, to_field="code", null=True, related_name="+")


def fill() -> None:
    tasks = {code: Task.objects.create(code=code) for code in ("a", "b", "c", "itself", "alone")}
    for code, other in (("a", "b"), ("b", "c"), ("c", "a"), ("itself", "itself")):
        Task.objects.filter(code=code).update(blocked_by=tasks[other], owner=other)


def grow() -> None:
    Task.objects.create(code="new", blocked_by=Task.objects.get(code="itself"))
