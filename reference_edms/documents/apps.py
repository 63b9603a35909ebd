"""Registers the documents app."""

from __future__ import annotations

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """Controlled documents and everything that hangs on them."""

    name = "documents"
