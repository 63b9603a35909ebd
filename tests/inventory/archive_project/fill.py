"""Fill the archive, or say what is in it, through the models: `fill.py fill SEED`, `fill.py tell FILE`."""

from __future__ import annotations

import datetime
import json
import random
import sys
from pathlib import Path

import django

django.setup()

from archive.models import Contract, Document, Label, Reading, Remark, Shelf  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.db import connection, models  # noqa: E402

UTC = datetime.timezone.utc  # noqa: UP017 - Python 3.8 has no datetime.UTC
AWKWARD = ["plain", "Zoë’s “paper”", "comma, tab\t, line\nend", "", "NULL", "\\N", "🗄", "0012", " space "]


def fill(seed: int) -> None:
    """Rows of every model; ids start elsewhere for each seed, and have gaps."""
    random.seed(seed)
    for model in (Shelf, Label, Document, Remark, Reading, get_user_model()):
        _leave_out(model, seed * 10)
    people = [get_user_model().objects.create_user(f"person{n}", password="secret") for n in range(4)]
    shelves = []
    for n in range(5):
        shelves.append(Shelf.objects.create(code=f"S-{seed}-{n}", inside=shelves[n // 2] if n else None))
    labels = [Label.objects.create(name=f"{text} {n}") for n, text in enumerate(AWKWARD)]
    random.shuffle(labels)
    for n in range(60):
        kind = Contract if n % 7 == 0 else Document
        document = kind(
            shelf=shelves[n % 5],
            number=n // 5 + 1,
            title=AWKWARD[n % len(AWKWARD)],
            facts={"n": n, "large": 2**53 + n, "text": AWKWARD[n % len(AWKWARD)], "list": [None, True, 0.1]},
            price=None if n % 3 else f"{n * 1000}.{n:03}",
            weight=None if n % 4 else random.random() * 10**n,
            kept_for=datetime.timedelta(days=n, microseconds=n),
            seal=bytes(range(n)),
            created=datetime.datetime(1999, 12, 31, 23, 59, 59, 999999 - n, tzinfo=UTC),
            thrown_away=n % 11 == 0,
            **({"partner": f"partner {n}"} if kind is Contract else {}),
        )
        document.file.save(f"document-{seed}-{n}.bin", ContentFile(random.getrandbits(800).to_bytes(100, "big")))
        document.labels.set(random.sample(labels, n % 4))
        Reading.objects.create(document_id=document.pk, reader=people[n % 4], at=document.created)
        for about in (document, shelves[n % 5], people[n % 4]):
            Remark.objects.create(about=about, text=f"on {about.pk}")
    Document._base_manager.filter(number=3).delete()


def _leave_out(model: type[models.Model], rows: int) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [f'"{table}"', rows])
        else:
            # Django's own migrations may have filled the table once already, and a second row would not count.
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (%s, %s)", [table, rows])


def tell(path: str) -> None:
    """What the models say, with references followed: what is the same before and after is the same archive."""
    told = {
        "documents": sorted(
            [
                list(document.natural_key()),
                document.title,
                str(document.identity),
                sorted(label.name for label in document.labels.all()),
                sorted(reader.username for reader in document.readers.all()),
                document.file.read().hex(),
                document.facts,
                str(document.price),
                repr(document.weight),
                str(document.kept_for),
                bytes(document.seal).hex(),
                document.created.isoformat(),
                document.changed.isoformat(),
                document.thrown_away,
                getattr(getattr(document, "contract", None), "partner", None),
            ]
            for document in Document._base_manager.all()
        ),
        "found by key": [
            Document.objects.get_by_natural_key(*document.natural_key()).pk == document.pk
            for document in Document.objects.all()
        ],
        "shelves": sorted([shelf.code, shelf.inside and shelf.inside.code] for shelf in Shelf.objects.all()),
        "remarks": sorted(
            [remark.text, remark.content_type.model, remark.about and list(remark.about.natural_key())]
            for remark in Remark.objects.all()
        ),
        "types": sorted(ContentType.objects.values_list("app_label", "model")),
        "passwords": [person.check_password("secret") for person in get_user_model().objects.all()],
    }
    Path(path).write_text(json.dumps(told, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]))
    else:
        tell(sys.argv[2])
