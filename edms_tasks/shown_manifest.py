"""A snapshot's manifest as it is shown: without the values of columns that the settings call sensitive.

A snapshot may be older than the setting, so that its findings quote such values; and the manifest itself has some, by which rows are
found again. What is shown stands for no snapshot: it is neither stored nor compared.
"""

from __future__ import annotations

from collections.abc import Collection

from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.redaction import Redaction


def with_shown_findings(manifest: Manifest, sensitive: Collection[str]) -> Manifest:
    """The manifest with findings that quote no hidden value; all else is as it is."""
    redaction = Redaction.of_entries(sensitive, manifest.tables)
    if not redaction.is_asked:
        return manifest
    return manifest.model_copy(update={"findings": tuple(redaction.without_values(manifest.findings))})


def shown_manifest(manifest: Manifest, sensitive: Collection[str]) -> Manifest:
    """The manifest without hidden values: in findings, in examples of dangling references, and in the keys at which blocks begin."""
    redaction = Redaction.of_entries(sensitive, manifest.tables)
    if not redaction.is_asked:
        return manifest
    tables = tuple(_shown(entry, redaction) for entry in manifest.tables)
    return with_shown_findings(manifest, sensitive).model_copy(update={"tables": tables})


def _shown(entry: TableEntry, redaction: Redaction) -> TableEntry:
    table, state = entry.table, entry.state
    references = tuple(
        one.model_copy(update={"dangling_examples": ()}) if redaction.hides_subject(f"{table.id}.{one.name}") else one
        for one in state.references
    )
    blocks = entry.blocks
    # Rows that no column orders are ordered by their text, which may begin with any column.
    if blocks and any(redaction.hides(table, name) for name in entry.ordered_by or [one.name for one in table.columns]):
        blocks = tuple(block.model_copy(update={"first": ()}) for block in blocks)
    return entry.model_copy(update={"state": state.model_copy(update={"references": references}), "blocks": blocks})
