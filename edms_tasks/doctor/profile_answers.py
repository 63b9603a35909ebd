"""Which of the doctor's suggestions a profile already answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edms_tasks.doctor.assessment import Declaration, Fix, SettingsTable


def answers(profile: Mapping[str, Any], settings_fix: Fix | None) -> bool:
    """Whether a profile's parsed sections decide what the fix is about, in the same way or in another.

    If the profile declares a key for a model, a suggestion of another key for it is answered. A declaration of other ids in
    the same column does not answer a suggested one.
    """
    if settings_fix is None:
        return False
    section: Any = profile
    for name in settings_fix.section.split("."):
        section = section.get(name) if isinstance(section, dict) else None
    if isinstance(settings_fix, SettingsTable):
        return isinstance(section, dict) and {value for _, value in settings_fix.values} <= set(section.values())
    if isinstance(settings_fix, Declaration):
        wanted = _normalized(dict(settings_fix.entries))
        return isinstance(section, list) and any(_normalized(declared) == wanted for declared in section)
    if not isinstance(section, dict) or settings_fix.key not in section:
        return False
    has = section[settings_fix.key]
    if settings_fix.section == "exclude":
        return set(settings_fix.value) <= set(has)
    return True


def _normalized(entries: Mapping[str, Any]) -> dict[str, str]:
    """A declaration in which a foreign key's column is spelled in one way: `content_type`, not `content_type_id`."""
    return {
        key: str(value).removesuffix("_id") if key in ("content_type", "object_id", "column") else str(value)
        for key, value in entries.items()
    }
