"""Users, roles and assignments in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from users.models import Role, User, UserRole


class UserRoleInline(admin.TabularInline):
    """Shows a person's roles on the person's own page."""

    model = UserRole
    fk_name = "user"
    extra = 0


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Django's user admin with what an employee has besides."""

    list_display = ("username", "employee_id", "first_name", "last_name", "department", "is_active")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Employment", {"fields": ("employee_id", "department", "manager", "created_by")}),
    )
    add_fieldsets = (*UserAdmin.add_fieldsets, ("Employment", {"fields": ("employee_id", "department")}))
    raw_id_fields = ("manager", "created_by")
    inlines = (UserRoleInline,)


@admin.register(Role)
class RoleAdmin(admin.ModelAdmin):
    """Roles by level."""

    list_display = ("name", "permission_level", "inherits_from", "is_system")
    list_select_related = ("inherits_from",)


@admin.register(UserRole)
class UserRoleAdmin(admin.ModelAdmin):
    """Who holds what, since when and until when."""

    list_display = ("user", "role", "assigned_by", "assigned_at", "expires_on", "is_active")
    list_select_related = ("user", "role", "assigned_by")
    raw_id_fields = ("user", "assigned_by")
