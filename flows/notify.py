"""Notify: try the signals of the settings."""

from __future__ import annotations

from datetime import UTC, datetime

from edms_tasks.errors import CommandError
from edms_tasks.evidence.origin import Origin
from edms_tasks.settings import Settings
from edms_tasks.signalling.sending import send_all, ways
from edms_tasks.signalling.signal import Signal
from edms_tasks.signalling.unsent import note_sent


def send_test(settings: Settings) -> dict[str, str]:
    """Send a test on every way; returns for each why it failed, "" if it did not.

    Raises:
        CommandError: `[notify]` names no way.
    """
    if settings.notify.is_empty:
        raise CommandError(
            "The settings name nobody to notify.",
            where="[notify]",
            fix="Set webhook, email_to or ping: docs/signals.md.",
        )
    origin = Origin()
    signal = Signal(
        verb="test",
        level="success",
        at=datetime.now(UTC),
        seconds=0.0,
        edms=settings.edms.id or "",
        host=origin.host,
        run=origin.run,
        verdict="A test: nothing was run",
    )
    results = send_all(ways(settings.notify, signal, always=True), settings.notify.timeout)
    note_sent(settings.workdir, results)
    return results
