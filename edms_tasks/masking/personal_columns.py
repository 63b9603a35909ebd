"""Columns that look as if they held personal data, by their names and types. It is a hint for people, not a proof of anything."""

from __future__ import annotations

import re

from edms_tasks.inventory.model import Column, Table

_NAMES = re.compile(
    r"(^|_)((first|last|sur|given|middle|full|maiden|display|nick|user|contact|person)_?names?|e?_?mails?|phones?|mobiles?|fax|"
    r"tel(ephone)?|address(es)?|street|city|zip(code)?|postal_?code|postcode|birth(day|date|_date)?|dob|born|gender|sex|ips?|ip_?address|"
    r"user_?agent|ssn|passport|tax_?(id|number)|iban|bic|account_?(no|number)|salary|licen[cs]e_?plate|login|signatures?|"
    r"passwords?|secrets?|tokens?|api_?keys?|otp|recovery_?codes?|private_?key|encrypted_?key|employee_?(id|no|number))($|_)",
    re.IGNORECASE,
)
_TEXTS = re.compile(
    r"(^|_)(comments?|notes?|remarks?|messages?|body|descriptions?|reasons?|changes?|payload|text|summary|abstract|subject|contents?|"
    r"metadata|details?|title|label|repr|extra_data|data)($|_)",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"(^|_)(users?|persons?|people|contacts?|employees?|customers?|patients?|members?|authors?)$", re.IGNORECASE
)


def looks_personal(table: Table, column: Column) -> bool:
    """Whether a column should be named in the rules, even if only to keep it."""
    if column.generated or any(column.name in reference_columns for reference_columns in _reference_columns(table)):
        return False
    if column.logical_type in ("boolean", "float", "decimal", "duration", "time"):
        return False
    if column.logical_type in ("integer", "date", "datetime"):
        return bool(re.search(r"(^|_)(birth|born|dob|ssn|phone|mobile|salary)", column.name, re.IGNORECASE))
    if column.name.lower() == "name":
        return bool(_PEOPLE.search(table.name))
    return bool(_NAMES.search(column.name) or _TEXTS.search(column.name)) or column.logical_type == "json"


def _reference_columns(table: Table) -> list[tuple[str, ...]]:
    return [tuple(getattr(reference, "columns", ())) for reference in table.references]
