"""Conflicts: what stops a merge. Their codes are the group "Conflicts of a merge" in the registry of findings."""

from __future__ import annotations

from pydantic import computed_field

from edms_tasks.findings import require_registered
from edms_tasks.inventory.model import Severity, Value


class Conflict(Value):
    """A conflict: rows of one model, or files of one folder, because of which a merge writes nothing."""

    code: str
    severity: Severity
    model: str  # its label, or "files of <root>"
    message: str
    count: int  # rows or files
    examples: tuple[str, ...] = ()
    fix: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cure(self) -> str:
        """The older name of `fix` in `--json`."""
        return self.fix


def make_conflict(
    code: str, model: str, message: str = "", *, count: int, examples: tuple[str, ...] = (), fix: str = ""
) -> Conflict:
    """A conflict of a registered kind.

    Args:
        code: a key of `edms_tasks.findings.REGISTRY`.
        model: the model's label, or the folder of files it concerns.
        message: the particulars; without them, what the registry says.
        count: how many rows or files it concerns.
        examples: a few of them.
        fix: what to do in this case; without it, what the registry says.

    Raises:
        ValueError: the code is not registered.
    """
    kind = require_registered(code, None)
    return Conflict(
        code=code,
        severity=kind.severities[0],
        model=model,
        message=message or kind.means,
        count=count,
        examples=examples,
        fix=fix or kind.fix,
    )
