"""SQLite keeps what it is given: BLOBs, REALs and texts in columns of numbers and texts, in keys and references too."""

from __future__ import annotations

from django.db import connection, models


class Kept(models.Model):
    name = models.CharField(max_length=20, unique=True)
    value = models.CharField(max_length=20)
    number = models.IntegerField()


class Pointer(models.Model):
    name = models.CharField(max_length=20, unique=True)
    kept_ref = models.IntegerField()
    kept = models.ForeignKey(Kept, models.CASCADE, db_constraint=False)


DECLARED = ({"column": "meeting.Pointer.kept_ref", "target": "meeting.Kept"},)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Kept.objects.create(id=number, name=name, value=name, number=number)
        Pointer.objects.create(name=name, kept_ref=number, kept_id=number)
    with connection.cursor() as c:
        c.execute("UPDATE meeting_kept SET value = CAST(value AS BLOB) WHERE name = %s", [names[0]])
        c.execute("UPDATE meeting_kept SET name = CAST(name AS BLOB) WHERE name = %s", [names[2]])
        c.execute("UPDATE meeting_kept SET number = 'seven' WHERE name = %s", [names[1]])


def say() -> dict[str, object]:
    with connection.cursor() as c:
        c.execute(
            "SELECT h.name, k.name, typeof(k.name), hex(k.value), typeof(k.value), k.number, r.name "
            "FROM meeting_pointer h LEFT JOIN meeting_kept k ON k.id = h.kept_id LEFT JOIN meeting_kept r ON r.id = h.kept_ref"
        )
        return {n: [repr(x) for x in rest] for n, *rest in c.fetchall()}
