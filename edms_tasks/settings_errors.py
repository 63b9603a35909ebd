"""What is wrong with a setting, in words: which one, in which file or variable of the environment, and what to do."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edms_tasks.errors import SettingsError
from edms_tasks.periods import FORMS
from edms_tasks.repository_settings import ID

PREFIX = "EDMS_BACKUP__"
_FORMS = {
    **FORMS,
    ID: "It must begin with a letter or a digit, and have letters, digits, dots, hyphens and underscores only, 64 at most.",
}


def explain(error: ValidationError, where: Path, settings: type[BaseModel]) -> SettingsError:
    """The first problem as an error with a fix. `where`: the settings file; `settings`: the class of all settings."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if variable := _variable_of(first["loc"]):
        known = _known_keys(settings)
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        likely = PREFIX + close[0].upper().replace(".", "__") if close and close[0] != key else ""
        return SettingsError(
            f"The environment variable {variable} does not set a valid setting.",
            where=f"the environment of this command, variable {variable}",
            why=f"There is no setting `{key}`." if first["type"] == "extra_forbidden" else _why(first),
            fix=f"Did you mean {likely}?"
            if likely
            else "Correct it or unset it; docs/settings.md lists every setting.",
        )
    if first["type"] == "extra_forbidden":
        known = _known_keys(settings)
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.5) or difflib.get_close_matches(
            key.rsplit(".", 1)[-1], known, n=1, cutoff=0.5
        )
        fix = f"Did you mean `{close[0]}`?" if close else "Remove it; `edms-backup init` writes a file with every key."
        return SettingsError(f"Unknown setting `{key}`.", where=str(where), why="No such key.", fix=fix)
    return SettingsError(
        f"The setting `{key}` is not valid.",
        where=str(where),
        why=_why(first),
        fix="docs/settings.md shows each form of a soft reference."
        if key.startswith("soft_references")
        else "See the commented file that `edms-backup init` writes.",
    )


def _why(problem: ErrorDetails) -> str:
    """What is wrong with a value, in words where pydantic shows a regular expression."""
    return _FORMS.get(problem.get("ctx", {}).get("pattern", ""), problem["msg"])


def _variable_of(location: tuple[int | str, ...]) -> str:
    """The name of the environment variable that sets this key, or ""."""
    wanted = [str(part).lower() for part in location]
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX):
            path = [part.lower() for part in name[len(PREFIX) :].split("__")]
            if path[: len(wanted)] == wanted or wanted[: len(path)] == path:
                return name
    return ""


def _known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        keys.append(key)
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                keys.extend(_known_keys(candidate, key + "."))
    return keys
