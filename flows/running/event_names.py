"""Names of events and their resource, as automations match them."""

from __future__ import annotations

import re

STORAGE_FILLING = "edms-backup.storage.filling"
"""Sent by `status` while the disk of the repository is expected to be full soon."""


def artifact_key(text: str) -> str:
    """The text as a key for Prefect: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "edms-backup"


def resource_of(edms: str) -> str:
    """The id of the resource that events of an EDMS are about."""
    return f"edms-backup.edms.{artifact_key(edms)}"
