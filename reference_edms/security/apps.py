"""Registers the security app."""

from __future__ import annotations

from django.apps import AppConfig


class SecurityConfig(AppConfig):
    """Electronic signatures and the certificates that seal PDFs."""

    name = "security"
