"""The doctor's suggestions for the settings, each with a name; first those without which most would be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edms_tasks.doctor.assessment import Assessment, Declarations, Fix, SettingsFix, SettingsTable
from edms_tasks.inventory.model import Value

# What a missing setting costs, by the finding that asks for it: files, then references, then the rows of a merge.
_COSTLIEST = ("files-outside-the-roots", "soft-reference", "natural-key-duplicates", "no-natural-key")
# Backups follow these without a declaration, and leave a session in.
_CHEAPEST = ("generic-look-alike", "secret-in-clear")


class Suggestion(Value):
    """One entry for the settings, and why."""

    name: str
    subject: str
    why: str
    settings_fix: Fix


def suggested(assessments: Iterable[Assessment]) -> tuple[Suggestion, ...]:
    """The fixes of these assessments, each once; those of one table of the settings are one suggestion."""
    found: dict[str, Suggestion] = {}
    for one in sorted(assessments, key=_cost):
        if (fix := one.settings_fix) is None:
            continue
        name = _name(fix)
        before = found.get(name)
        if before is not None and isinstance(fix, SettingsTable) and isinstance(before.settings_fix, SettingsTable):
            both = dict(before.settings_fix.values) | dict(fix.values)
            fix = SettingsTable(section=fix.section, values=tuple(both.items()))
            found[name] = before.model_copy(
                update={"settings_fix": fix, "why": f"{before.why}\n{one.subject}: {one.message}"}
            )
        elif before is None:
            found[name] = Suggestion(
                name=name, subject=one.subject, why=f"{one.subject}: {one.message}", settings_fix=fix
            )
    return tuple(found.values())


def _cost(one: Assessment) -> tuple[int, bool, int, str]:
    if one.code in _COSTLIEST:
        rank = _COSTLIEST.index(one.code)
    else:
        rank = len(_COSTLIEST) + (1 + _CHEAPEST.index(one.code) if one.code in _CHEAPEST else 0)
    return rank, one.by_values_alone, -one.count, one.subject


def _name(fix: Fix) -> str:
    """`files.roots`; `app.Model` for a key; `app.Model.field`, with the place in its JSON, or `root:pattern` for a reference."""
    if isinstance(fix, SettingsTable):
        return fix.section
    if isinstance(fix, SettingsFix):
        return fix.key if fix.section == "natural_keys" else f"{fix.section}.{fix.key}: {', '.join(fix.value)}"
    # Declarations that belong together are about one column.
    entries: Mapping[str, str] = dict((fix.each[0] if isinstance(fix, Declarations) else fix).entries)
    if "files" in entries:
        return f"{entries['files']}:{entries['name']}"
    column = entries.get("column") or entries["object_id"]
    return f"{column} {entries['json']}" if "json" in entries else column
