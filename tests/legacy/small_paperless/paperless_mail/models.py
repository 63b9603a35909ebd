"""The account whose password the exporter encrypts."""

from __future__ import annotations

from django.db import models


class MailAccount(models.Model):
    """An account from which mail is fetched."""

    name = models.CharField(max_length=256, unique=True)
    password = models.CharField(max_length=3072)
    refresh_token = models.TextField(null=True)
