"""The doctor's results: a verdict on each table's key, and findings with the settings that would fix them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from edms_tasks.findings import require_registered
from edms_tasks.inventory.model import Finding, NaturalKey, Severity, Value

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The most severe first."""

_EXAMPLES = 5
LATER = "Run the doctor again when there are rows."
"""The fix of a finding that no rows confirm or refute yet; `grouped` makes one group of them."""


class SettingsFix(Value):
    """An entry of `edms-backup.toml`: `[section]`, `key = value`."""

    section: str
    key: str
    value: str | tuple[str, ...]


class SettingsTable(Value):
    """Several entries of one section of `edms-backup.toml`."""

    section: str
    values: tuple[tuple[str, str], ...]


class Declaration(Value):
    """A section of its own in `edms-backup.toml`, of which there can be many: `[[section]]` and its entries."""

    section: str
    entries: tuple[tuple[str, str], ...]
    where: tuple[tuple[str, str], ...] = ()  # the rows that it is about, by the values of their other columns

    @property
    def as_toml(self) -> dict[str, Any]:
        """The section as `tomllib` reads it."""
        return dict(self.entries) | ({"where": dict(self.where)} if self.where else {})


class Declarations(Value):
    """Declarations that only make sense together: ids of several models in one column, each with its `where`."""

    each: tuple[Declaration, ...]

    @property
    def section(self) -> str:
        """The section that all of them are in."""
        return self.each[0].section


Fix = SettingsFix | SettingsTable | Declaration | Declarations
"""What would fix a finding in the settings."""


class Assessment(Finding):
    """A finding, and the setting that would fix it, if there is one."""

    settings_fix: Fix | None = None
    by_values_alone: bool = False  # a suspicion that no name confirms

    def as_json(self) -> dict[str, Any]:
        """The assessment for `--json`. `remedy` is the older name of `settings_fix`."""
        known = super().as_json()
        return known | {"remedy": known["settings_fix"]}


class KeyVerdict(Value):
    """The natural key that a table gets, why, and how well it holds."""

    model: str  # the model's label, or the table's id
    table: str
    rows: int
    key: NaturalKey | None
    readable: str  # the key in words; "" for none
    why: str
    nulls: int  # rows whose key has a NULL part
    constraint: str  # the constraint that keeps the key unique; "" for none


class Diagnosis(Value):
    """The result of examining one EDMS."""

    keys: tuple[KeyVerdict, ...]
    assessments: tuple[Assessment, ...]  # the most severe first

    def count(self, severity: Severity) -> int:
        """The number of findings of that severity."""
        return sum(assessment.severity == severity for assessment in self.assessments)

    @property
    def healthy(self) -> bool:
        """Whether there is no error."""
        return not self.count("error")


def assessed(finding: Finding, settings_fix: Fix | None = None, **changes: object) -> Assessment:
    """A finding as an assessment, with the setting that would fix it; keyword arguments replace fields of the finding."""
    made = Assessment.model_validate({**finding.model_dump(by_alias=False), "settings_fix": settings_fix, **changes})
    require_registered(made.code, made.severity)
    return made


def ranked(assessments: Iterable[Assessment]) -> tuple[Assessment, ...]:
    """The assessments, the most severe first, those of one kind together.

    Of these, what a name confirms comes before what only values suggest, and then what is about most rows or files.
    """
    return tuple(
        sorted(
            assessments,
            key=lambda one: (
                SEVERITIES.index(one.severity), one.code, one.by_values_alone, -one.count, one.subject
            ),
        )
    )  # fmt: skip


_NO_ROWS = "There are no rows yet that show what identifies a row, or whether a content type and an id are a reference."


class Group(Value):
    """Assessments with the same text about several subjects."""

    severity: Severity
    code: str
    message: str
    fix: str
    subjects: tuple[tuple[str, int], ...]  # with the count of each assessment
    examples: tuple[str, ...]


def grouped(assessments: Iterable[Assessment]) -> tuple[Group, ...]:
    """Assessments with the same text as one group each, in the order given."""
    alike: dict[tuple[Severity, str, str, str], list[Assessment]] = {}
    for one in assessments:
        code, message = ("", _NO_ROWS) if one.fix == LATER else (one.code, one.message)
        alike.setdefault((one.severity, code, message, one.fix), []).append(one)
    return tuple(
        Group(
            severity=severity,
            code=code or ", ".join(sorted({one.code for one in members})),
            message=message,
            fix=fix,
            subjects=tuple((one.subject, one.count) for one in members),
            examples=tuple(example for one in members for example in one.examples)[:_EXAMPLES],
        )
        for (severity, code, message, fix), members in alike.items()
    )


def settings_text(
    fixes: Iterable[Fix],
    present: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType({}),
    tables: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> str:
    """The settings fixes as TOML for `edms-backup.toml`, in their order, each section once.

    Args:
        fixes: the fixes to write.
        present: (section, key) -> values of a list in the settings, to which new values are added.
        tables: section -> entries in the settings, to which new entries are added.
    """
    sections: dict[str, dict[str, str | tuple[str, ...]]] = {}
    texts: dict[Fix | str, str] = {}
    for settings_fix in fixes:
        if isinstance(settings_fix, Declaration):
            texts.setdefault(settings_fix, declaration_text(settings_fix))
            continue
        if isinstance(settings_fix, Declarations):
            texts.setdefault(settings_fix, "\n".join(map(declaration_text, settings_fix.each)))
            continue
        texts.setdefault(settings_fix.section, "")
        if isinstance(settings_fix, SettingsTable):
            its = sections.setdefault(settings_fix.section, dict(tables.get(settings_fix.section, {})))
            its |= dict(settings_fix.values)
            continue
        entries = sections.setdefault(settings_fix.section, {})
        before = entries.get(settings_fix.key, present.get((settings_fix.section, settings_fix.key), ()))
        # Values are added to lists of [exclude]; any other entry is replaced.
        grows = (
            settings_fix.section == "exclude" and isinstance(settings_fix.value, tuple) and isinstance(before, tuple)
        )
        entries[settings_fix.key] = (
            tuple(dict.fromkeys((*before, *settings_fix.value))) if grows else settings_fix.value
        )
    for section, values in sections.items():
        texts[section] = f"[{section}]\n{_toml(values)}"
    return "\n".join(texts.values())


def declaration_text(declaration: Declaration) -> str:
    """The declaration as TOML, to be appended to `edms-backup.toml`."""
    import tomlkit  # only where there is something to fix

    its = [
        f"{tomlkit.key(name).as_string()} = {tomlkit.string(value).as_string()}" for name, value in declaration.where
    ]
    where = f"where = {{ {', '.join(its)} }}\n" if its else ""
    return f"[[{declaration.section}]]\n{_toml(dict(declaration.entries), ordered=False)}{where}"


def settings_fix_line(settings_fix: SettingsFix) -> str:
    """The fix in one line for people: `[natural_keys] "shop.Order" = ["number"]`."""
    return f"[{settings_fix.section}] {_toml({settings_fix.key: settings_fix.value}).rstrip()}"


def _toml(entries: Mapping[str, str | tuple[str, ...]], *, ordered: bool = True) -> str:
    import tomlkit  # only where there is something to fix

    return tomlkit.dumps(entries, sort_keys=ordered)
