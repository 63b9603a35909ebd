"""Which records no other one follows, while records come and go: a new one follows all of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edms_tasks.repository.records import Record


class RecordEnds:
    """The records that no other one follows. Each step takes as long as the record has records before it, however many there are."""

    def __init__(self, by_id: Mapping[str, Record]) -> None:
        self._by_id: dict[str, Record] = {}
        self._followers: Counter[str] = Counter()
        self._last: set[str] = set()
        for name, record in by_id.items():
            self.add(name, record)

    @property
    def names(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(sorted(self._last))

    def add(self, name: str, record: Record) -> None:
        """Add a record."""
        self._by_id[name] = record
        self._followers.update(record.after)
        self._last -= set(record.after)
        if not self._followers[name]:
            self._last.add(name)

    def remove(self, name: str) -> None:
        """Remove a record. What it alone had followed is followed by none."""
        record = self._by_id.pop(name)
        self._last.discard(name)
        self._followers.subtract(record.after)
        self._last |= {one for one in record.after if not self._followers[one] and one in self._by_id}
