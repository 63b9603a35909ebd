"""`verify_audit`: recompute the audit chain; exit 1 when an entry was altered or is missing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.chain import verify_audit_chain


class Command(BaseCommand):
    """Checks the audit trail from its first entry to its last."""

    help = "Check the audit trail; exits with 1 and names the first broken entry if there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the verdict."""
        verdict = verify_audit_chain()
        if not verdict.intact:
            raise CommandError(
                f"the audit chain is broken at entry {verdict.broken_at}: {verdict.reason}",
                returncode=1,
            )
        self.stdout.write(f"the audit chain is intact: {verdict.entries} entries")
