"""The beginning of scripts that run inside an EDMS and name its rows by natural key. It shares no code with the product."""

from __future__ import annotations

NAMED = """
import json
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError

kinds = {kind.pk: kind for kind in ContentType._base_manager.all()}

def named(obj):
    return [obj._meta.label, list(map(str, obj.natural_key())) if hasattr(obj, "natural_key") else str(obj.pk)]

def row_of(content_type, object_id):
    kind = kinds.get(content_type)
    model = kind.model_class() if kind else None
    if model is None:
        return None
    try:
        return model._base_manager.filter(pk=object_id).first()
    except (ValueError, OverflowError, ValidationError):  # no id of this model
        return None
"""
"""`named(row)` is a row's model and natural key, `row_of(content_type, object_id)` the row of a generic reference, or None."""
