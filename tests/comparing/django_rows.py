"""All rows of an EDMS as Django itself reads them, by natural key; and two such states compared with plain dictionaries.

This shares no code with the product: it asks every model for its objects and every object for its natural key, one by one.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.named_by_django import NAMED
from tests.reference_system import ReferenceEdms

_SCRIPT = (
    NAMED
    + """
def pointed(content_type, object_id):
    if content_type is None or object_id is None:
        return None
    found = row_of(content_type, object_id)
    return named(found) if found else ["nothing", str(content_type), str(object_id)]

rows = []
for model in apps.get_models(include_auto_created=True):
    if model._meta.proxy or not model._meta.managed:
        continue
    generic = {"content_type", "object_id"} <= {field.name for field in model._meta.concrete_fields}
    pointing = "content_object" if hasattr(model, "content_object") else "content_type + object_id"
    for obj in model._base_manager.all():
        said = {}
        for field in model._meta.local_concrete_fields:
            if field.remote_field:
                target = getattr(obj, field.name) if getattr(obj, field.attname) is not None else None
                said[field.column] = named(target) if target is not None else None
            elif generic and field.name == "object_id":
                said[pointing] = pointed(obj.content_type_id, obj.object_id)
            elif not field.primary_key:
                said[field.column] = repr(field.value_from_object(obj))
        key = list(map(str, obj.natural_key())) if hasattr(obj, "natural_key") else None
        held = [repr(field.value_from_object(obj)) for field in model._meta.local_concrete_fields]
        rows.append([model._meta.label, key, said, held])
print("ROWS " + json.dumps(rows))
"""
)


@dataclass(frozen=True)
class Counts:
    """The numbers of changes to a model's rows."""

    added: int
    removed: int
    changed: int
    columns: dict[str, int]


Row = tuple[tuple[str, ...] | None, dict[str, Any], list[str]]
Rows = dict[str, list[Row]]


def rows_by_django(edms: ReferenceEdms) -> Rows:
    """Model -> (natural key or None, column -> value, all columns as they are) of each row."""
    printed = edms.manage("shell", "-c", _SCRIPT).stdout
    line = next(line for line in printed.splitlines() if line.startswith("ROWS "))
    found: Rows = {}
    for model, key, said, held in json.loads(line.removeprefix("ROWS ")):
        found.setdefault(model, []).append((tuple(key) if key is not None else None, said, held))
    return found


def compared(before: Rows, after: Rows) -> dict[str, Counts]:
    """The changes of each model that has any."""
    found = {model: _compared(before.get(model, []), after.get(model, [])) for model in before.keys() | after.keys()}
    return {model: counts for model, counts in found.items() if counts.added or counts.removed or counts.changed}


def _compared(before: list[Row], after: list[Row]) -> Counts:
    if any(key is None for key, _, _ in (*before, *after)):
        return _without_keys(before, after)
    old, new = ({key: said for key, said, _ in rows} for rows in (before, after))
    both = [(old[key], new[key]) for key in old.keys() & new.keys() if old[key] != new[key]]
    return Counts(len(new.keys() - old.keys()), len(old.keys() - new.keys()), len(both), _columns(both))


def _without_keys(before: list[Row], after: list[Row]) -> Counts:
    """Rows that are equal in every column, ids included, are one row; the others are compared by content."""
    old, new = ({tuple(held): said for _, said, held in rows} for rows in (before, after))
    both = [(old[held], new[held]) for held in old.keys() & new.keys() if old[held] != new[held]]
    was = Counter(json.dumps(old[held], sort_keys=True) for held in old.keys() - new.keys())
    now = Counter(json.dumps(new[held], sort_keys=True) for held in new.keys() - old.keys())
    return Counts((now - was).total(), (was - now).total(), len(both), _columns(both))


def _columns(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, int]:
    return dict(Counter(name for was, now in pairs for name in was if was[name] != now[name]))
