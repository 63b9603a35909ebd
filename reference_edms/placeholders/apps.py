"""Registers the placeholders app."""

from __future__ import annotations

from django.apps import AppConfig


class PlaceholdersConfig(AppConfig):
    """Templates and the placeholders they are filled with."""

    name = "placeholders"
