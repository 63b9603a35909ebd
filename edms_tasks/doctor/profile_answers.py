"""Which of the doctor's suggestions a profile already answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edms_tasks.doctor.assessment import Declaration, Declarations, Fix, SettingsTable


def answers(profile: Mapping[str, Any], settings_fix: Fix | None) -> bool:
    """Whether a profile's parsed sections decide what the fix is about, in the same way or in another.

    If the profile declares a key for a model, a suggestion of another key for it is answered. A declaration of other ids in
    the same column does not answer a suggested one.
    """
    if settings_fix is None:
        return False
    if isinstance(settings_fix, Declarations):
        return all(answers(profile, one) for one in settings_fix.each)
    section: Any = profile
    for name in settings_fix.section.split("."):
        section = section.get(name) if isinstance(section, dict) else None
    if isinstance(settings_fix, SettingsTable):
        return isinstance(section, dict) and {value for _, value in settings_fix.values} <= set(section.values())
    if isinstance(settings_fix, Declaration):
        return isinstance(section, list) and any(_declares(declared, settings_fix) for declared in section)
    if not isinstance(section, dict) or settings_fix.key not in section:
        return False
    has = section[settings_fix.key]
    if settings_fix.section == "exclude":
        return set(settings_fix.value) <= set(has)
    return True


def _declares(declared: Mapping[str, Any], wanted: Declaration) -> bool:
    """Whether a declaration of the profile is the wanted one, perhaps for rows of more kinds."""
    its, rows = dict(declared), declared.get("where", {})
    its.pop("where", None)
    if _normalized(its) != _normalized(dict(wanted.entries)) or set(rows) != {name for name, _ in wanted.where}:
        return False
    return all(value in _texts(rows[name]) for name, value in wanted.where)


def _texts(values: Any) -> list[str]:
    return [str(one) for one in (values if isinstance(values, list) else [values])]


def _normalized(entries: Mapping[str, Any]) -> dict[str, str]:
    """A declaration in which a foreign key's column is spelled in one way: `content_type`, not `content_type_id`."""
    return {
        key: str(value).removesuffix("_id") if key in ("content_type", "object_id", "column") else str(value)
        for key, value in entries.items()
    }
