"""The values of all fields of all objects as Django itself reads them inside the EDMS; no code of the product reads a value."""

from __future__ import annotations

import json

SCRIPT = """
import json
from fractions import Fraction
from django.apps import apps
from django.db.models import JSONField

def plain(value):  # what JSON says: the order of keys is no part of it, and 1e22 is 10000000000000000000000
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return f"number {Fraction(repr(value))}" if type(value) in (int, float) else [type(value).__name__, value]

def spelled(field, value):
    if isinstance(field, JSONField):
        return json.dumps(plain(value), sort_keys=True)
    return repr(bytes(value) if isinstance(value, memoryview) else value)

lines = []
for model in apps.get_models(include_auto_created=True):
    if not model._meta.proxy and model._meta.managed and model._meta.app_label != "zoo_postgresql":
        fields = [field for field in model._meta.local_concrete_fields if not getattr(field, "generated", False)]
        for obj in model._base_manager.all():
            said = {field.attname: spelled(field, field.value_from_object(obj)) for field in fields}
            lines.append([model._meta.label, json.dumps(said, sort_keys=True)])
print("SAID " + json.dumps(sorted(lines)))
"""


def heard(printed: str) -> list[list[str]]:
    """Each object as [model, what it says], out of what the script printed."""
    line = next(line for line in printed.splitlines() if line.startswith("SAID "))
    found: list[list[str]] = json.loads(line.removeprefix("SAID "))
    return found
