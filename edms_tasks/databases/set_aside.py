"""Whether a database is the one that a swap has set aside."""

from __future__ import annotations

from edms_tasks.errors import TargetChanged


def require_set_aside(found: str, expected: str, live: str, name: str) -> None:
    """Raise TargetChanged if the database of that name is another one than expected, or the live one."""
    if found != expected or found == live or not expected:
        raise TargetChanged(
            "The database of this name is not the one that was set aside.",
            where=name,
            why=f"It is {found or 'not there'}; {expected or 'an unknown one'} was set aside.",
            fix="Nothing was dropped. If you do not need it, drop it by hand.",
        )
