"""A partitioned table, and one that inherits; rows refer to neither."""

from __future__ import annotations

from django.db import connection, models


class Kind(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Event(models.Model):
    code = models.CharField(max_length=20)
    year = models.IntegerField()
    kind = models.ForeignKey(Kind, models.DO_NOTHING)

    class Meta:
        managed = False
        db_table = "meeting_event"


def after() -> None:
    with connection.cursor() as c:
        c.execute(
            "CREATE TABLE meeting_event (id bigserial, code varchar(20) NOT NULL, year int NOT NULL, "
            "kind_id bigint NOT NULL REFERENCES meeting_kind, PRIMARY KEY (id, year), UNIQUE (code, year)) PARTITION BY LIST (year)"
        )
        c.execute("CREATE TABLE meeting_event_1 PARTITION OF meeting_event FOR VALUES IN (1)")
        c.execute("CREATE TABLE meeting_event_2 PARTITION OF meeting_event FOR VALUES IN (2)")


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Kind.objects.create(id=number, name=name)
        Event.objects.create(id=number + 100, code=name, year=number % 2 + 1 if name == "ann" else 1, kind_id=number)


def say() -> dict[str, object]:
    return {f"{e.code} {e.year}": e.kind.name for e in Event.objects.all()}
