"""Whether what the repository has is really kept from being changed or removed for the days in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from edms_tasks.errors import EdmsBackupError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings

_LEEWAY = timedelta(days=1)  # a backup takes hours, and clocks differ


def object_lock_findings(settings: Settings) -> Iterator[Finding]:
    """Ask the bucket whether it has object lock, and until when the newest snapshot and its objects are kept.

    What is not asked for (`immutable_days` is not set), is not looked at, nor is a repository that does not open: `key_findings` says so.
    """
    days = settings.repository.immutable_days
    if days is None:
        return
    try:
        repository = Repository.open(settings.repository)
    except EdmsBackupError:
        return
    try:
        repository.backend.require_immutable()
    except EdmsBackupError as error:
        message = f"{error.what} {error.why}".strip()
        yield make_finding("object-lock-not-in-force", repository.display, message, fix=error.fix)
        return
    found = repository.survey()
    if not found.order:
        return
    newest = found.order[-1]
    manifest = found.intact.get(newest)
    needed = [f"snapshots/{newest}.json"]
    if manifest is not None:
        needed.append(repository.stored_name(manifest.native_schema.object))
    until = found.links[newest].created + timedelta(days=days)
    for name in needed:
        try:
            kept = repository.backend.retained(name)
        except FileNotFoundError:
            continue  # a missing object is what `verify` reports
        if kept is None:
            message = (
                "No retention is in force: the newest snapshot can be changed and removed. (Or these credentials may not see it: they "
                "need s3:GetObjectRetention.)"
            )
        elif kept.until < until - _LEEWAY:
            message = (
                f"The newest snapshot is kept until {kept.until:%Y-%m-%d %H:%M} UTC only, and not for the {days} days of "
                "[repository] immutable_days."
            )
        elif settings.repository.immutable_mode == "COMPLIANCE" and kept.mode != "COMPLIANCE":
            message = (
                "The newest snapshot is kept in the mode GOVERNANCE, which some users may lift, and not COMPLIANCE."
            )
        else:
            continue
        yield make_finding("object-lock-not-in-force", name, message)
