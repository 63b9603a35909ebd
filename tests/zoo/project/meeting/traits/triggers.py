"""Triggers that change rows, count, write a trail: none fires in a merge."""

from __future__ import annotations

from django.db import connection, models


class Sample(models.Model):
    code = models.CharField(max_length=20, unique=True)
    state = models.CharField(max_length=20)


class Trail(models.Model):
    what = models.CharField(max_length=40)
    sample = models.ForeignKey(Sample, models.CASCADE)


def after() -> None:
    with connection.cursor() as c:
        if connection.vendor == "sqlite":
            c.execute(
                "CREATE TRIGGER meeting_note AFTER INSERT ON meeting_sample BEGIN "
                "UPDATE meeting_sample SET state = 'touched' WHERE id = new.id; "
                "INSERT INTO meeting_trail (what, sample_id) VALUES ('added', new.id); END"
            )
            c.execute(
                "CREATE TRIGGER meeting_keep BEFORE UPDATE ON meeting_trail BEGIN SELECT RAISE(ABORT, 'kept'); END"
            )
        else:
            c.execute(
                "CREATE FUNCTION meeting_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.state := 'touched'; RETURN new; END $$"
            )
            c.execute(
                "CREATE FUNCTION meeting_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "INSERT INTO meeting_trail (what, sample_id) VALUES ('added', new.id); RETURN new; END $$"
            )
            c.execute(
                "CREATE TRIGGER meeting_touch BEFORE INSERT OR UPDATE ON meeting_sample FOR EACH ROW EXECUTE FUNCTION meeting_touch()"
            )
            c.execute(
                "CREATE TRIGGER meeting_note AFTER INSERT ON meeting_sample FOR EACH ROW EXECUTE FUNCTION meeting_note()"
            )
            c.execute("ALTER TABLE meeting_sample ENABLE ALWAYS TRIGGER meeting_note")


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Sample.objects.create(id=number, code=name, state="new")
    with connection.cursor() as c:
        if connection.vendor == "postgresql":
            c.execute("ALTER TABLE meeting_sample DISABLE TRIGGER meeting_touch")
        c.execute("UPDATE meeting_sample SET state = 'as it was'")
        if connection.vendor == "postgresql":
            c.execute("ALTER TABLE meeting_sample ENABLE TRIGGER meeting_touch")


def say() -> dict[str, object]:
    return {s.code: [s.state, [t.what for t in s.trail_set.all()]] for s in Sample.objects.all()}
