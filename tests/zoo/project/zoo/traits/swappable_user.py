"""The EDMS's own user model in the place of Django's: `auth_user` does not exist, and everything points elsewhere."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, Permission, PermissionsMixin
from django.db import models


class Member(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(unique=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "email"


def fill() -> None:
    auditors = Group.objects.create(name="auditors")
    auditors.permissions.set(Permission.objects.order_by("-pk")[:3])
    for name in ("ada", "rob"):
        member = Member.objects.create(email=f"{name}@example.org", password=f"!{name}", is_superuser=name == "ada")
        member.groups.add(auditors)
        member.user_permissions.set(Permission.objects.order_by("pk")[:2])


def grow() -> None:
    Member.objects.create(email="new@example.org").groups.add(Group.objects.get(name="auditors"))
