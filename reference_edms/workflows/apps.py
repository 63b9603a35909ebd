"""Registers the workflows app."""

from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    """The states a document passes through, and each step it took."""

    name = "workflows"
