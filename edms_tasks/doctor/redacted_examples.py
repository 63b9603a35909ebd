"""Remove values that must not be shown from examples: those of sensitive columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edms_tasks.doctor.assessment import Assessment, assessed
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.redaction import Redaction


def redaction_of(sensitive: Collection[str], keys: CheckedKeys) -> Redaction:
    """What may be shown of the rows whose keys were checked."""
    return Redaction(sensitive, keys.tables, {table_id: one.natural_key for table_id, one in keys.keys.items()})


def redacted(assessments: Sequence[Assessment], sensitive: Collection[str], keys: CheckedKeys) -> list[Assessment]:
    """The assessments without examples that may contain a value of a sensitive column, or of one that seems to hold secrets."""
    secret = {assessment.subject for assessment in assessments if assessment.code == "secret-in-clear"}
    redaction = redaction_of({*sensitive, *secret}, keys)
    tables = {table.label: table for table in keys.tables.values()}
    shown = []
    for assessment in assessments:
        table = tables.get(assessment.subject)
        hidden = redaction.hides_subject(assessment.subject) or (
            table is not None and _was_tried(table, keys, redaction)
        )
        shown.append(assessed(assessment, assessment.settings_fix, examples=()) if hidden else assessment)
    return shown


def _was_tried(table: Table, keys: CheckedKeys, redaction: Redaction) -> bool:
    """Whether a natural key with hidden values was tried on the table; the examples of what is wrong with it contain them."""
    return any(redaction.hides_key_of(table, tried.key) for tried in keys.tried.get(table.id, ()))
