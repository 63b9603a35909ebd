"""Registers the audit app and connects its signal receivers."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Who did what and when, in a chain that shows tampering."""

    name = "audit"

    def ready(self) -> None:
        """Start to record; only possible once every audited model is loaded."""
        from audit import recording

        recording.connect()
