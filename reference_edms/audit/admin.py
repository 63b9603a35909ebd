"""The audit trail and the system's events in the admin, to be read only."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from audit.models import AuditTrail, SystemEvent


class ReadOnlyAdmin(admin.ModelAdmin):
    """Lets people look and nothing else."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse everyone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """Refuse everyone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """Refuse everyone."""
        return False


@admin.register(AuditTrail)
class AuditTrailAdmin(ReadOnlyAdmin):
    """Who did what and when."""

    list_display = ("sequence", "timestamp", "username", "action", "object_label")
    list_filter = ("action",)
    search_fields = ("object_label", "username")
    ordering = ("-sequence",)


@admin.register(SystemEvent)
class SystemEventAdmin(ReadOnlyAdmin):
    """What the system noticed."""

    list_display = ("occurred_at", "level", "event", "message")
    list_filter = ("level",)
