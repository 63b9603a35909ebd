"""What an EDMS says of all its rows, told by Django itself inside the EDMS: ids replaced by natural keys.

This shares no code with the product: it asks every model for its objects and every object for its natural key, one by one.
"""

from __future__ import annotations

import json
from collections import Counter

from tests.reference_system import ReferenceEdms

_SCRIPT = """
import json
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import models

kinds = {kind.pk: kind for kind in ContentType._base_manager.all()}

def named(obj):
    return [obj._meta.label, list(map(str, obj.natural_key())) if hasattr(obj, "natural_key") else str(obj.pk)]

def pointed(content_type, object_id):
    if content_type is None or object_id is None:
        return None
    kind = kinds.get(content_type)
    model = kind.model_class() if kind else None
    if model is None:
        return ["no model", str(kind.natural_key() if kind else None)]
    try:
        found = model._base_manager.filter(pk=object_id).first()
    except Exception:
        found = None
    return named(found) if found else ["nothing", model._meta.label]

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
print("SAID " + json.dumps(lines))
"""


def said(edms: ReferenceEdms, *, without: tuple[str, ...] = ("sessions.Session",)) -> Counter[tuple[str, str]]:
    """Every row as (model, what it says), counted."""
    printed = edms.manage("shell", "-c", _SCRIPT).stdout
    line = next(line for line in printed.splitlines() if line.startswith("SAID "))
    return Counter((model, text) for model, text in json.loads(line.removeprefix("SAID ")) if model not in without)
