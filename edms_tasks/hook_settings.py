"""The settings' `[hooks]`: commands of the administrator around the verbs that change or read for long."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from edms_tasks.drill_settings import Command, words_of
from edms_tasks.soft_reference_settings import Section

Commands = tuple[Command, ...]


def _before(what: str) -> Any:
    return Field(default=(), description=f"Commands before {what}; if one fails, it is not begun.")


def _after(what: str) -> Any:
    return Field(default=(), description=f"Commands after {what}, whether or not it succeeded.")


def _error(what: str) -> Any:
    return Field(default=(), description=f"Commands after {what} that failed or was stopped.")


class HooksSettings(Section):
    """Commands before and after what edms-backup does, and if it fails: stop and start the EDMS, mount a disk, notify."""

    timeout: int = Field(default=600, ge=1, le=86_400, description="Seconds that one of these commands may take.")
    before_backup: Commands = _before("a backup")
    after_backup: Commands = _after("a backup")
    error_backup: Commands = _error("a backup")
    before_verify: Commands = _before("a verification")
    after_verify: Commands = _after("a verification")
    error_verify: Commands = _error("a verification")
    before_restore: Commands = _before("a restore")
    after_restore: Commands = _after("a restore")
    error_restore: Commands = _error("a restore")
    before_promote: Commands = Field(
        default=(),
        description="Commands in a restore of the live system, when the copy is proved and is about to be swapped in; if one fails, "
        "nothing is changed.",
    )
    before_merge: Commands = _before("a merge")
    after_merge: Commands = _after("a merge")
    error_merge: Commands = _error("a merge")
    before_rollback: Commands = _before("a rollback")
    after_rollback: Commands = _after("a rollback")
    error_rollback: Commands = _error("a rollback")
    before_prune: Commands = _before("a prune")
    after_prune: Commands = _after("a prune")
    error_prune: Commands = _error("a prune")
    before_copy: Commands = _before("a copy")
    after_copy: Commands = _after("a copy")
    error_copy: Commands = _error("a copy")
    before_drill: Commands = _before("a drill")
    after_drill: Commands = _after("a drill")
    error_drill: Commands = _error("a drill")

    @field_validator("*")
    @classmethod
    def _have_words(cls, value: Any) -> Any:
        for command in value if isinstance(value, tuple) else ():
            words_of(command)
        return value

    def of(self, moment: str, verb: str) -> Commands:
        """The commands of a moment (before, after, error) of a verb."""
        found: Commands = getattr(self, f"{moment}_{verb}")
        return found
