"""The error for a name in the settings that does not exist, with the closest name that does."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from edms_tasks.errors import SettingsError


def unknown_name(where: str, kind: str, name: str, known: Iterable[str]) -> SettingsError:
    """The error for a name that is not among the known ones.

    Args:
        where: the place in the settings.
        kind: "model or table", "field", …
        name: the unknown name.
        known: the names that exist.
    """
    return SettingsError(f"There is no {kind} {name!r}.", where=where, fix=closest_name(name, known))


def closest_name(name: str, known: Iterable[str]) -> str:
    """ "Did you mean …?" with the closest known name; if none is close, where the names are listed."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"Did you mean `{close[0]}`?" if close else "`edms-backup inspect` lists them."
