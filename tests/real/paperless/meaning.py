"""What a row of a paperless-ngx means: its values, with what they refer to in place of ids. Runs in paperless's Python."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import FileField, ForeignKey, Model
from hidden import FILES, HIDDEN, IDENTITY, gone


def meaning_of(row: Model) -> str:
    """What this row is called without its id: by what people know it by, or else by all that it says."""
    return f"{row._meta.label} {_identity(row._meta.label, row.pk)}"


def meant(label: str, key: Any) -> str:
    """What the row of that model with that id is called; an id without a row is told as such."""
    return f"{label} {_identity(label, _number(key))}"


@cache
def _identity(label: str, key: Any) -> str:
    model = apps.get_model(label)
    row = model._base_manager.filter(pk=key).first()
    if row is None:
        return gone(key)
    if label in IDENTITY:
        # These columns alone: a tag's others name its neighbours, which name this tag.
        parts = [_said(row, row._meta.get_field(name)) for name in IDENTITY[label]]
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
        if isinstance(field, FileField) and getattr(row, field.attname):
            found[f"{field.name} content"] = content(Path(settings.MEDIA_ROOT, str(getattr(row, field.attname))))
    for name, path_of in FILES.get(row._meta.label, {}).items():
        path = path_of(row)
        found[name] = None if path is None else content(path)
    return found


def _said(row: Model, field: Any) -> Any:
    """What one column says, without ids."""
    value = getattr(row, field.attname)
    if hidden := HIDDEN.get(row._meta.label, {}).get(field.name):
        return hidden(value, row, meant)
    if isinstance(field, ForeignKey):
        return None if value is None else meant(field.related_model._meta.label, value)
    return value if isinstance(value, str | int | float | bool | dict | list | type(None)) else str(value)


def content(path: Path) -> str:
    """The hash of a file, or that it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
