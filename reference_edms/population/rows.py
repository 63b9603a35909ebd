"""Numbers new rows with gaps and writes them in bulk, past signals and automatic timestamps."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models

_BATCH = 1000


class Writer:
    """Gives rows their ids, writes them, and counts what was written."""

    def __init__(self, rng: random.Random) -> None:
        self.rows = 0
        self._rng = rng
        self._last_id: dict[type[models.Model], int] = {}

    def next_id(self, model: type[models.Model]) -> int:
        """Return a free id; now and then some are skipped, as after deletions."""
        if model not in self._last_id:
            highest = model._base_manager.aggregate(highest=models.Max("pk"))["highest"]
            self._last_id[model] = highest or 0
        self._last_id[model] += self._rng.choice((1, 1, 1, 1, 1, 1, 1, 2, 3, 17))
        return self._last_id[model]

    def number(self, rows: Iterable[models.Model]) -> None:
        """Give ids to rows that have none yet."""
        for row in rows:
            if row.pk is None:
                row.pk = self.next_id(type(row))

    def write(self, rows: Sequence[models.Model]) -> None:
        """Insert rows of one model with the values they carry."""
        if not rows:
            return
        self.number(rows)
        model = type(rows[0])
        with _values_as_given(model):
            model._base_manager.bulk_create(rows, batch_size=_BATCH)
        self.rows += len(rows)

    def write_child(self, row: models.Model) -> None:
        """Insert only a child's own table row, beneath a parent that exists."""
        row.save_base(raw=True, force_insert=True)
        self.rows += 1


def advance_sequences() -> None:
    """Let the database count on from the highest ids that were written."""
    statements = connection.ops.sequence_reset_sql(no_style(), apps.get_models(include_auto_created=True))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def _values_as_given(model: type[models.Model]) -> Iterator[None]:
    # `auto_now` would overwrite the timestamps, and no two runs of a seed would be alike.
    automatic = [
        (field, field.auto_now, field.auto_now_add)
        for field in model._meta.local_fields
        if isinstance(field, models.DateField) and (field.auto_now or field.auto_now_add)
    ]
    for field, _, _ in automatic:
        field.auto_now = field.auto_now_add = False
    try:
        yield
    finally:
        for field, now, now_add in automatic:
            field.auto_now, field.auto_now_add = now, now_add
