"""Uniques on a jsonb, an array, a range, an enum, an inet; on text of fixed width; on numbers without a scale."""

from __future__ import annotations

from django.db import connection, models


class Odd(models.Model):
    what = models.CharField(max_length=20)

    class Meta:
        managed = False
        db_table = "meeting_odd"


class Even(models.Model):
    odd = models.ForeignKey(Odd, models.DO_NOTHING, db_constraint=False)
    name = models.CharField(max_length=20, unique=True)


def after() -> None:
    with connection.cursor() as c:
        c.execute(
            "CREATE TABLE meeting_odd (id bigserial PRIMARY KEY, what varchar(20) NOT NULL, j jsonb NOT NULL, a text[] NOT NULL, "
            "r int4range NOT NULL, i inet NOT NULL, c char(8) NOT NULL, n numeric NOT NULL, v interval NOT NULL, "
            "UNIQUE (j, a, r, i, c, n, v))"
        )


def fill(names: tuple[str, ...]) -> None:
    with connection.cursor() as c:
        for number, name in enumerate(names, 1):
            n = ord(name[0])
            one = names[0] == "ann"
            c.execute(
                "INSERT INTO meeting_odd VALUES (%s, %s, %s::jsonb, %s, %s::int4range, %s, %s, %s::numeric, %s::interval)",
                [
                    number,
                    name,
                    f'{{"b": 1.0, "a": "{name}"}}' if one else f'{{"a": "{name}", "b": 1.0}}',
                    [name, None],
                    f"[{n},{n + 2})" if one else f"[{n},{n + 1}]",
                    "10.0.0.1" if one else "10.0.0.1/32",
                    name if one else name + "  ",
                    "1.0",
                    "1 day",
                ],
            )
            Even.objects.create(odd_id=number, name=name)


def say() -> dict[str, object]:
    return {e.name: e.odd.what for e in Even.objects.all()} | {
        f"odd {o.what}": Odd.objects.filter(what=o.what).count() for o in Odd.objects.all()
    }
