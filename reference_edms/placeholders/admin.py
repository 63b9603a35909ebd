"""Templates and placeholders in the admin."""

from __future__ import annotations

from django.contrib import admin

from placeholders.models import (
    ControlledTemplate,
    DocumentTemplate,
    PlaceholderDefinition,
    TemplatePlaceholder,
)


class TemplatePlaceholderInline(admin.TabularInline):
    """Shows the placeholders of a template on its own page."""

    model = TemplatePlaceholder
    extra = 0


@admin.register(PlaceholderDefinition)
class PlaceholderDefinitionAdmin(admin.ModelAdmin):
    """What templates may hold."""

    list_display = ("name", "description", "default_value", "is_required")


@admin.register(DocumentTemplate)
class DocumentTemplateAdmin(admin.ModelAdmin):
    """Forms for new documents."""

    list_display = ("name", "revision", "created_by")
    list_select_related = ("created_by",)
    raw_id_fields = ("created_by",)
    inlines = (TemplatePlaceholderInline,)


@admin.register(ControlledTemplate)
class ControlledTemplateAdmin(DocumentTemplateAdmin):
    """Forms that are controlled documents themselves."""

    list_display = ("name", "revision", "control_number", "effective_date")


@admin.register(TemplatePlaceholder)
class TemplatePlaceholderAdmin(admin.ModelAdmin):
    """Which template uses which placeholder."""

    list_display = ("template", "placeholder", "position", "override")
    list_select_related = ("template", "placeholder")
