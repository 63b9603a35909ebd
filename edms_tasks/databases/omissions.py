"""Report what a restore left out: by reason in the notes, complete in a script beside the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edms_tasks.databases.protocol import LeftOut

_NAMED = 5
SCRIPT = "left-out.sql"
# Beginning of a `LeftOut.subject` -> the kind, for people.
_KINDS = {
    "ACL": "privileges", "COMMENT": "comments", "DEFAULT ACL": "default privileges", "EVENT TRIGGER": "event triggers",
    "FK CONSTRAINT": "foreign keys", "POLICY": "policies", "PUBLICATION": "publications", "SECURITY LABEL": "security labels",
    "SUBSCRIPTION": "subscriptions", "USER MAPPING": "user mappings", "owner": "owners", "security label": "security labels",
    "setting": "settings of the database", "tablespace": "tablespaces",
}  # fmt: skip

MAY_HOLD_PASSWORDS = ("FOREIGN DATA WRAPPER", "SERVER", "SUBSCRIPTION", "USER MAPPING")
"""Beginnings of subjects whose definitions may contain passwords."""


def notes_of(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """A note for each reason: what is missing, and the statements that create it."""
    for why in dict.fromkeys(one.why for one in left_out):
        these = [one for one in left_out if one.why == why]
        names = ", ".join(one.subject for one in these[:_NAMED])
        more = f", and {len(these) - _NAMED:,} more" if len(these) > _NAMED else ""
        with_one = [one for one in these if one.statement]
        statements = [one.statement for one in with_one if not _may_hold_password(one)]
        run = f" When that has changed, run: {' '.join(f'{one};' for one in statements[:_NAMED])}" if statements else ""
        rest = f" All of them are in {SCRIPT} beside the report." if len(statements) > _NAMED else ""
        if len(statements) < len(with_one):
            rest = f" {'The rest' if statements else 'The statement'} is in {SCRIPT} beside the report, because it may contain passwords."
        yield f"Not restored, because {why}: {names}{more}.{run}{rest}"


def _may_hold_password(one: LeftOut) -> bool:
    """Whether a statement may contain a password, which must not get into notes and reports."""
    return one.subject.startswith(tuple(f"{kind} " for kind in MAY_HOLD_PASSWORDS))


def kind_of(one: LeftOut) -> str:
    """The kind in one or two words: "owners", "privileges", …"""
    for beginning, kind in _KINDS.items():
        if one.subject == beginning or one.subject.startswith(f"{beginning} "):
            return kind
    return "privileges of the database" if " for " in one.subject else "definitions"


def write_script(left_out: Sequence[LeftOut], folder: Path) -> Path | None:
    """Write the statements as a script, in an order in which they can run; returns its path, or None if there are none."""
    lines = [
        f"-- {_one_line(one.subject)}: {_one_line(one.why)}\n{one.statement};\n"
        for one in sorted(left_out, key=_turn)
        if one.statement
    ]
    if not lines:
        return None
    path = folder / SCRIPT
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogateescape")
    return path


def _turn(one: LeftOut) -> int:
    """The position of a statement: first CREATE, then owners, then privileges, which the owner grants."""
    return 2 if one.subject.startswith(("ACL ", "DEFAULT ACL ")) else 1 if one.subject.startswith("owner of ") else 0


def _one_line(text: str) -> str:
    return " ".join(text.split())
