"""Triggers that write a trail and refuse changes: they must not fire while the rows come back, and must be there after."""

from __future__ import annotations

from django.db import models

from zoo.keepers import by_engine, execute


class Sample(models.Model):
    code = models.CharField(max_length=20, unique=True)


class Trail(models.Model):
    what = models.CharField(max_length=40)


def fill() -> None:
    execute(
        *by_engine(
            sqlite=(
                "CREATE TRIGGER zoo_note AFTER INSERT ON zoo_sample "
                "BEGIN INSERT INTO zoo_trail (what) VALUES ('added ' || new.code); END",
                "CREATE TRIGGER zoo_keep BEFORE UPDATE ON zoo_trail BEGIN SELECT RAISE(ABORT, 'kept'); END",
            ),
            postgresql=(
                "CREATE FUNCTION zoo_note() RETURNS trigger LANGUAGE plpgsql AS $$ "
                "BEGIN INSERT INTO zoo_trail (what) VALUES ('added ' || new.code); RETURN new; END $$",
                "CREATE TRIGGER zoo_note AFTER INSERT ON zoo_sample FOR EACH ROW EXECUTE FUNCTION zoo_note()",
                "CREATE FUNCTION zoo_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$",
                "CREATE TRIGGER zoo_keep BEFORE UPDATE ON zoo_trail FOR EACH ROW EXECUTE FUNCTION zoo_keep()",
            ),
        )
    )
    for code in ("first", "second"):
        Sample.objects.create(code=code)


def grow() -> None:
    Sample.objects.create(code="new")
    assert Trail.objects.filter(what="added new").count() == 1
