"""What a row of a real system means: its values, with what they refer to in place of ids. Runs in the system's own Python.

What is particular to the system stands in its `hidden.py`, beside this file where it runs: IDENTITY (what rows are known
by), HIDDEN (columns that hold ids without a foreign key, and how they are read), FILES (files that are no FileFields).
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db.models import FileField, ForeignKey, Model
from hidden import FILES, HIDDEN, IDENTITY, gone


def meaning_of(row: Model) -> str:
    """What this row is called without its id: by what people know it by, or else by all that it says."""
    return f"{row._meta.label} {_identity(row._meta.label, row.pk)}"


def meant(label: str, key: Any) -> str:
    """What the row of that model with that id is called; an id without a row is told as such."""
    return f"{label} {_identity(label, _number(key))}"


def meant_by_type(content_type: Any, key: Any) -> str | None:
    """What an id means whose model is named by a content type."""
    if content_type is None or key is None:
        return None
    return meant(ContentType.objects.get_for_id(content_type).model_class()._meta.label, key)


@cache
def _identity(label: str, key: Any) -> str:
    row = apps.get_model(label)._base_manager.filter(pk=key).first()
    if row is None:
        return gone(key)
    if label in IDENTITY:
        # These columns alone: a tag's others name its neighbours, which name this tag.
        parts = [one(row) if callable(one) else _said(row, row._meta.get_field(one)) for one in IDENTITY[label]]
        return json.dumps(parts, ensure_ascii=False)
    text = json.dumps(canonical(row), sort_keys=True, ensure_ascii=False)
    return text if len(text) < 200 else text[:100] + hashlib.sha256(text.encode()).hexdigest()


def _number(key: Any) -> Any:
    return int(key) if isinstance(key, str) and key.lstrip("-").isdigit() else key


def canonical(row: Model) -> dict[str, Any]:
    """Column -> what it says, of all columns but the id, and the content of its files."""
    found: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        hidden = field.name in HIDDEN.get(row._meta.label, {})
        if hidden or isinstance(field, ForeignKey) or not field.primary_key:
            found[field.name] = _said(row, field)
        if isinstance(field, FileField) and (file := getattr(row, field.attname)):
            found[f"{field.name} content"] = _stored(file)
    for name, path_of in FILES.get(row._meta.label, {}).items():
        path = path_of(row)
        found[name] = None if path is None else content(path)
    return found


def _said(row: Model, field: Any) -> Any:
    """What one column says, without ids."""
    value = getattr(row, field.attname)
    if hidden := HIDDEN.get(row._meta.label, {}).get(field.name):
        return hidden(value, row, meant)
    if generic := _generic(row._meta.model).get(field.name):
        return meant_by_type(getattr(row, row._meta.get_field(generic).attname), value)
    if isinstance(field, ForeignKey):
        return None if value is None else meant(field.related_model._meta.label, value)
    return value if isinstance(value, str | int | float | bool | dict | list | type(None)) else str(value)


@cache
def _generic(model: type[Model]) -> dict[str, str]:
    """The columns of ids of this model's generic foreign keys, with the columns of their content types."""
    return {one.fk_field: one.ct_field for one in model._meta.private_fields if isinstance(one, GenericForeignKey)}


def _stored(file: Any) -> str:
    """The hash of a file that its storage knows."""
    if not file.storage.exists(file.name):
        return "missing"
    with file.storage.open(file.name) as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def content(path: Path) -> str:
    """The hash of a file, or that it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
