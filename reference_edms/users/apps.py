"""Registers the users app."""

from __future__ import annotations

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """People, their roles and who gave them."""

    name = "users"
