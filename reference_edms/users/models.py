"""People, the roles they may hold, and the assignment of one to the other."""

from __future__ import annotations

from datetime import date

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class RoleManager(models.Manager):
    """Finds roles by the name people know them by."""

    def get_by_natural_key(self, name: str) -> Role:
        """Return the role of this name."""
        return self.get(name=name)


class Role(models.Model):
    """What a person may do; a role may do all that the one it inherits from may do."""

    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    permission_level = models.PositiveSmallIntegerField(default=0)
    inherits_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="inherited_by"
    )
    is_system = models.BooleanField(default=False)

    objects = RoleManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="role_name_unique")]

    def __str__(self) -> str:
        return self.name

    def natural_key(self) -> tuple[str]:
        """Return the name: ids differ between installations, names do not."""
        return (self.name,)


class User(AbstractUser):
    """A person who works with documents; the natural key is Django's own, the user name."""

    employee_id = models.CharField(max_length=20, unique=True)
    department = models.CharField(max_length=80, blank=True)
    manager = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reports")
    created_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="users_created"
    )
    roles = models.ManyToManyField(Role, through="UserRole", through_fields=("user", "role"), related_name="users")

    def has_role(self, name: str, on: date | None = None) -> bool:
        """Say whether the person holds a role, itself or through one that inherits from it."""
        if self.is_superuser:
            return True
        today = on or timezone.localdate()
        assigned = (
            Role.objects.filter(userrole__user=self, userrole__is_active=True)
            .exclude(userrole__expires_on__lt=today)
            .select_related("inherits_from")
        )
        seen: set[int] = set()
        for role in assigned:
            current: Role | None = role
            while current is not None and current.pk not in seen:
                if current.name == name:
                    return True
                seen.add(current.pk)
                current = current.inherits_from
        return False


class UserRoleManager(models.Manager):
    """Finds an assignment by who holds what."""

    def get_by_natural_key(self, username: str, role: str) -> UserRole:
        """Return the assignment of this role to this person."""
        return self.get(user__username=username, role__name=role)


class UserRole(models.Model):
    """A role given to a person, by whom, and until when."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    role = models.ForeignKey(Role, on_delete=models.PROTECT)
    assigned_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="roles_assigned"
    )
    assigned_at = models.DateTimeField(default=timezone.now)
    expires_on = models.DateField(null=True, blank=True)
    is_active = models.BooleanField(default=True)

    objects = UserRoleManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "role"], name="userrole_unique")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role}"

    def natural_key(self) -> tuple[str, ...]:
        """Return the keys of the person and of the role."""
        return (*self.user.natural_key(), *self.role.natural_key())

    natural_key.dependencies = ["users.user", "users.role"]  # type: ignore[attr-defined]
