"""The contents of all rows of an EDMS as Django itself reads them, with natural keys in place of ids.

This shares no code with the product: it asks every model for its objects and every object for its natural key, one by one.
"""

from __future__ import annotations

import json
from collections import Counter

from tests.named_by_django import NAMED
from tests.reference_system import ReferenceEdms

_SCRIPT = (
    NAMED
    + """
from django.db import models

def pointed(content_type, object_id):
    if content_type is None or object_id is None:
        return None
    kind = kinds.get(content_type)
    if kind is None or kind.model_class() is None:
        return ["no model", str(kind.natural_key() if kind else None)]
    found = row_of(content_type, object_id)
    return named(found) if found else ["nothing", kind.model_class()._meta.label]

lines = []
for model in apps.get_models(include_auto_created=True):
    if model._meta.proxy or not model._meta.managed:
        continue
    names = {field.name for field in model._meta.concrete_fields}
    generic = {"content_type", "object_id"} <= names
    for obj in model._base_manager.all():
        said = {}
        for field in model._meta.local_concrete_fields:
            if field.remote_field:
                target = getattr(obj, field.name) if getattr(obj, field.attname) is not None else None
                said[field.name] = named(target) if target is not None else None
            elif generic and field.name == "object_id":
                said[field.name] = pointed(obj.content_type_id, obj.object_id)
            elif not (field.primary_key and isinstance(field, models.AutoField)):
                said[field.name] = repr(field.value_from_object(obj))
        lines.append([model._meta.label, json.dumps(said, sort_keys=True)])
print("CONTENTS " + json.dumps(lines))
"""
)


def contents_by_django(
    edms: ReferenceEdms, *, without: tuple[str, ...] = ("sessions.Session",)
) -> Counter[tuple[str, str]]:
    """(model, content as JSON) of every row -> how often it occurs."""
    printed = edms.manage("shell", "-c", _SCRIPT).stdout
    line = next(line for line in printed.splitlines() if line.startswith("CONTENTS "))
    return Counter((model, text) for model, text in json.loads(line.removeprefix("CONTENTS ")) if model not in without)
