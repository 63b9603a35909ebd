"""States, workflows and steps in the admin."""

from __future__ import annotations

from django.contrib import admin

from workflows.models import DocumentState, DocumentTransition, DocumentWorkflow


@admin.register(DocumentState)
class DocumentStateAdmin(admin.ModelAdmin):
    """The states of the life cycle, in order."""

    list_display = ("code", "name", "position", "is_initial", "is_final")


@admin.register(DocumentWorkflow)
class DocumentWorkflowAdmin(admin.ModelAdmin):
    """Where each document stands."""

    list_display = ("document", "state", "assignee", "due_on")
    list_select_related = ("document", "state", "assignee")
    raw_id_fields = ("document", "initiated_by", "assignee")


@admin.register(DocumentTransition)
class DocumentTransitionAdmin(admin.ModelAdmin):
    """Every step taken."""

    list_display = ("workflow", "sequence", "from_state", "to_state", "actor", "occurred_at")
    list_select_related = ("workflow__document", "workflow__state", "from_state", "to_state", "actor")
    raw_id_fields = ("workflow", "actor")
