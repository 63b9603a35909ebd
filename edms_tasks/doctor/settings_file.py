"""Add suggested entries to a settings file. Everything else in it stays as it is, comments too."""

from __future__ import annotations

import copy
import os
import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edms_tasks.doctor.assessment import Declaration, Declarations, Fix, SettingsFix, SettingsTable, declaration_text
from edms_tasks.durable import write_durably
from edms_tasks.errors import SettingsError
from edms_tasks.settings import settings_from


def add_to_settings(path: Path, fixes: Sequence[Fix]) -> None:
    """Write these entries into the settings file, which keeps its mode.

    Raises:
        SettingsError: the file cannot be read or written, or the entries cannot be added to it; it is unchanged then.
    """
    path = path.resolve()  # a link stays a link
    try:
        text = path.read_bytes().decode()
        written = with_entries(text, fixes)
        settings_from(tomllib.loads(written), where=path)
        mode = path.stat()
        write_durably(path, written)
        path.chmod(mode.st_mode & 0o7777)
        if (mode.st_uid, mode.st_gid) != (os.geteuid(), os.getegid()):
            shutil.chown(path, mode.st_uid, mode.st_gid)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "The suggestions cannot be written into the settings file.",
            where=str(path),
            why=str(error),
            fix="Make the file writable, or add the lines that doctor prints by hand.",
        ) from error


def with_entries(text: str, fixes: Sequence[Fix]) -> str:
    """The text of a settings file with these entries.

    Raises:
        SettingsError: the text has a form in which they cannot be added without touching anything else.
    """
    from tomlkit.exceptions import TOMLKitError

    wanted = tomllib.loads(text)
    written = text
    try:
        for fix in fixes:
            for section, key, value in _entries(fix):
                written = _with_entry(written, section, key, value)
                _set(wanted, section, key, value)
            for declaration in _declarations(fix):
                written = _with_declaration(written, declaration)
                _declare(wanted, declaration)
    except (TOMLKitError, tomllib.TOMLDecodeError):
        written = ""  # it became something else in between
    # What was written must mean what was meant, and no comment may be gone.
    if _read(written) != wanted or _comments(text) - _comments(written):
        raise SettingsError(
            "The suggestions cannot be added to the settings file as it is written.",
            why="The same section stands in several places or forms.",
            fix="Add the lines that doctor prints by hand.",
        )
    return written


def _entries(fix: Fix) -> list[tuple[str, str, str | list[str]]]:
    if isinstance(fix, SettingsTable):
        return [(fix.section, name, value) for name, value in fix.values]
    if isinstance(fix, SettingsFix):
        return [(fix.section, fix.key, fix.value if isinstance(fix.value, str) else list(fix.value))]
    return []


def _declarations(fix: Fix) -> tuple[Declaration, ...]:
    if isinstance(fix, Declarations):
        return fix.each
    return (fix,) if isinstance(fix, Declaration) else ()


def _with_entry(text: str, section: str, key: str, value: str | list[str]) -> str:
    """The text with an entry in a section: below its header, or in a new section at the end of the file."""
    import tomlkit

    present = tomllib.loads(text)
    before, line = copy.deepcopy(present), tomlkit.dumps({key: value}).rstrip("\n")
    _set(present, section, key, value)
    if present == before:
        return text
    if _at(before, section) is None:
        return _appended(text, f"[{section}]\n{line}\n")
    header = re.compile(rf"^[ \t]*\[[ \t]*{re.escape(section)}[ \t]*\][^\n]*\n?", re.MULTILINE)
    if len(header.findall(text)) == 1 and key not in _at(before, section):
        # tomlkit would put it behind the comment above the next section.
        return header.sub(lambda match: f"{match[0].rstrip()}{_ending(text)}{line}{_ending(text)}", text)
    document = tomlkit.parse(text)
    _set(document, section, key, value)
    return str(tomlkit.dumps(document))


def _with_declaration(text: str, fix: Declaration) -> str:
    import tomlkit

    declared = tomllib.loads(text).get(fix.section)
    if declared is not None and fix.as_toml in declared:
        return text
    # tomlkit cannot add to sections of one name that stand apart.
    if declared is None or re.search(rf"^[ \t]*\[\[[ \t]*{re.escape(fix.section)}[ \t]*\]\]", text, re.MULTILINE):
        return _appended(text, declaration_text(fix))
    document = tomlkit.parse(text)
    _declare(document, fix)
    return str(tomlkit.dumps(document))


def _set(settings: Any, section: str, key: str, value: str | list[str]) -> None:
    """Set an entry; a list of what is excluded grows."""
    here = settings
    for part in section.split("."):
        here = here.setdefault(part, {})
    if section == "exclude" and key in here:
        for one in value:
            if one not in here[key]:
                here[key].append(one)
    else:
        here[key] = value


def _declare(settings: Any, fix: Declaration) -> None:
    declared = settings.setdefault(fix.section, [])
    if not any(dict(one) == fix.as_toml for one in declared):
        declared.append(fix.as_toml)


def _at(settings: Any, section: str) -> Any:
    for part in section.split("."):
        settings = settings.get(part)
        if settings is None:
            return None
    return settings


def _appended(text: str, section: str) -> str:
    end = _ending(text)
    before = text.rstrip()
    return f"{before}{end * 2 if before else ''}{section.replace(chr(10), end)}"


def _ending(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _comments(text: str) -> set[str]:
    return {line[line.rindex("#") :].rstrip() for line in text.splitlines() if "#" in line}
