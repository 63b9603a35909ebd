"""What people are told of a place with ids: `after 'documents' in its text`."""

from __future__ import annotations

from edms_tasks.undeclared.collected_values import JOINED_FORM, ValuePlace
from edms_tasks.undeclared.ids_in_texts import FORMS

_DESCRIPTIONS = {form.name: form.said for form in FORMS} | {
    "chosen": "({})",
    "list": "in its lists",
    JOINED_FORM: "joined in its text",
}


def described(place: ValuePlace) -> str:
    """Where in a column the ids are; empty for whole values."""
    return _DESCRIPTIONS.get(place.form, "").format(place.name)
