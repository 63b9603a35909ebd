"""Bytes: none at all, a zero, all that there are, and those that look like text."""

from __future__ import annotations

from django.db import models


class Attachment(models.Model):
    content = models.BinaryField()
    checksum = models.BinaryField(unique=True, max_length=32)


def fill() -> None:
    for number, content in enumerate((b"", b"\0", bytes(range(256)), b"\\x00", b"text", b"\xff\xfe" * 5000)):
        Attachment.objects.create(content=content, checksum=bytes([number]) * 32)


def grow() -> None:
    Attachment.objects.create(content=b"new", checksum=b"new")
