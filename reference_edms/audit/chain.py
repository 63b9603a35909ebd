"""The tamper-evident chain: how an entry is sealed, appended, and how the whole is checked.

The checksum covers what an inspector reads (who, when to the microsecond, what, on which object by its
label) and the checksum before it. It leaves ids out, so that a chain stays valid where ids change.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction

from audit.models import AuditTrail
from users.models import User

_APPEND_LOCK = 0x45444D53


@dataclass(frozen=True)
class ChainVerdict:
    """What checking the chain found: entries read, and the first that is wrong, if any."""

    entries: int
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Say whether nothing was altered."""
        return self.broken_at is None


def seal(entry: AuditTrail) -> str:
    """Return the checksum that an entry must carry."""
    sealed = [
        entry.previous_checksum,
        entry.sequence,
        str(entry.uid),
        _exact(entry.timestamp),
        entry.username,
        entry.action,
        entry.object_label,
        entry.changes,
    ]
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def append(
    action: str,
    target: models.Model | None,
    changes: dict[str, Any] | None = None,
    user: User | None = None,
) -> AuditTrail:
    """Add one sealed entry about an object at the end of the chain."""
    with transaction.atomic():
        _wait_for_turn()
        last = AuditTrail.objects.order_by("-sequence").first()
        entry = AuditTrail(
            uid=uuid.uuid4(),
            sequence=last.sequence + 1 if last else 1,
            timestamp=datetime.now(UTC),
            user=user,
            username=user.get_username() if user else "",
            action=action,
            object_label=label(target) if target is not None else "",
            changes=changes or {},
            previous_checksum=last.checksum if last else "",
        )
        if target is not None:
            entry.content_type = ContentType.objects.get_for_model(target)
            entry.object_id = str(target.pk)
        entry.checksum = seal(entry)
        entry.save(force_insert=True)
        return entry


def label(target: models.Model) -> str:
    """Name an object in words that outlive its id."""
    key = target.natural_key() if hasattr(target, "natural_key") else (target.pk,)
    return f"{target._meta.label_lower}:{'/'.join(str(part) for part in key)}"


def verify_audit_chain() -> ChainVerdict:
    """Recompute every checksum in order and report the first entry that does not fit."""
    previous: AuditTrail | None = None
    entries = 0
    for entry in AuditTrail.objects.order_by("sequence").iterator(chunk_size=2000):
        entries += 1
        expected_sequence = previous.sequence + 1 if previous else 1
        if entry.sequence != expected_sequence:
            return ChainVerdict(entries, entry.sequence, f"entry {expected_sequence} is missing")
        if entry.previous_checksum != (previous.checksum if previous else ""):
            return ChainVerdict(entries, entry.sequence, "it does not follow the entry before it")
        if entry.checksum != seal(entry):
            return ChainVerdict(entries, entry.sequence, "its content is not what was sealed")
        previous = entry
    return ChainVerdict(entries)


def _exact(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _wait_for_turn() -> None:
    # Two writers that read the same last entry would fork the chain; SQLite has one writer anyway.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_APPEND_LOCK])
