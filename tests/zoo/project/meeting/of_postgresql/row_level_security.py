"""Policies that hide rows from everybody, the owner too."""

from __future__ import annotations

from django.db import connection, models


class Secret(models.Model):
    name = models.CharField(max_length=20, unique=True)
    up = models.ForeignKey("self", models.CASCADE, null=True)


def after() -> None:
    with connection.cursor() as c:
        c.execute("ALTER TABLE meeting_secret ENABLE ROW LEVEL SECURITY")
        c.execute("ALTER TABLE meeting_secret FORCE ROW LEVEL SECURITY")
        c.execute("CREATE POLICY none ON meeting_secret USING (name <> 'bob')")


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Secret.objects.create(id=number, name=name, up_id=1)


def say() -> dict[str, object]:
    return {s.name: s.up.name for s in Secret.objects.all()}
