"""A table and views that migrations do not make; a model reads a view, and a table without a model refers to one with."""

from __future__ import annotations

from django.db import connection, models


class Base(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Legacy(models.Model):
    code = models.CharField(max_length=20, unique=True)
    base = models.ForeignKey(Base, models.DO_NOTHING)

    class Meta:
        managed = False
        db_table = "LegacyRows"


class Shown(models.Model):
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=20)

    class Meta:
        managed = False
        db_table = "meeting_shown_view"


def after() -> None:
    with connection.cursor() as c:
        serial = "integer PRIMARY KEY" if connection.vendor == "sqlite" else "serial PRIMARY KEY"
        c.execute(
            f'CREATE TABLE "LegacyRows" (id {serial}, code varchar(20) NOT NULL UNIQUE, base_id bigint NOT NULL REFERENCES meeting_base)'
        )
        c.execute(
            f'CREATE TABLE "No Model" (id {serial}, code varchar(20) NOT NULL UNIQUE, base_id bigint REFERENCES meeting_base)'
        )
        c.execute(
            'CREATE VIEW meeting_shown_view AS SELECT l.id, l.code, b.name FROM "LegacyRows" l JOIN meeting_base b ON b.id = l.base_id'
        )


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Base.objects.create(id=number, name=name)
        Legacy.objects.create(id=number, code=name, base_id=number)
        with connection.cursor() as c:
            c.execute('INSERT INTO "No Model" (id, code, base_id) VALUES (%s, %s, %s)', [number, name, number])


def say() -> dict[str, object]:
    with connection.cursor() as c:
        c.execute('SELECT n.code, b.name FROM "No Model" n LEFT JOIN meeting_base b ON b.id = n.base_id')
        said = {f"no model {code}": name for code, name in c.fetchall()}
    return said | {s.code: s.name for s in Shown.objects.all()}
