"""Arrays of ids, hstore, ltree, citext keys, a domain, an enum, ranges."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField, HStoreField, IntegerRangeField
from django.db import connection, models


class Ltree(models.TextField):
    def db_type(self, connection: object) -> str:
        return "ltree"


class Citext(models.TextField):
    def db_type(self, connection: object) -> str:
        return "citext"


class Domain(models.IntegerField):
    def db_type(self, connection: object) -> str:
        return "positive"


class Mood(models.TextField):
    def db_type(self, connection: object) -> str:
        return "mood"


class Thing(models.Model):
    name = Citext(unique=True)
    mood = Mood()
    positive = Domain()
    path = Ltree()
    things = ArrayField(models.IntegerField())
    attributes = HStoreField()
    span = IntegerRangeField()


class Owned(models.Model):
    name = models.CharField(max_length=20, unique=True)
    thing = models.ForeignKey(Thing, models.CASCADE, to_field="name")
    by_mood = Mood()
    dom = Domain()


DECLARED = (
    {"column": "meeting.Thing.things", "target": "meeting.Thing", "separator": ","},
    {"column": "meeting.Owned.dom", "target": "meeting.Thing"},
)


def before() -> None:
    with connection.cursor() as c:
        for e in ("citext", "hstore", "ltree"):
            c.execute(f"CREATE EXTENSION IF NOT EXISTS {e}")
        c.execute("CREATE DOMAIN positive AS integer CHECK (value > 0)")
        c.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Thing.objects.create(
            id=number,
            name=name.title() if names[0] == "ann" else name,
            mood="happy",
            positive=7,
            path=f"top.{name}",
            things=[number % 3 + 1, number],
            attributes={"a": name},
            span=(1, 5),
        )
        Owned.objects.create(name=name, thing_id=name.upper(), by_mood="sad", dom=number)


def say() -> dict[str, object]:
    known = {t.id: t.name.lower() for t in Thing.objects.all()}
    said = {
        t.name.lower(): [t.mood, t.positive, t.path, [known.get(i) for i in t.things], t.attributes, str(t.span)]
        for t in Thing.objects.all()
    }
    return said | {f"owned {o.name}": [o.thing.name.lower(), o.by_mood, known.get(o.dom)] for o in Owned.objects.all()}
