"""Proxies: models without a table, that others point at, each with a content type of its own."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Message(models.Model):
    code = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=20)


class Warning(Message):
    class Meta:
        proxy = True


class Acknowledgement(models.Model):
    warning = models.OneToOneField(Warning, models.CASCADE)


class Mention(models.Model):
    """Points at the proxy by the proxy's own content type."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.BigIntegerField()
    message = GenericForeignKey(for_concrete_model=False)


def fill() -> None:
    for code, kind in (("m1", "note"), ("m2", "warning"), ("m3", "warning")):
        Message.objects.create(code=code, kind=kind)
    Acknowledgement.objects.create(warning=Warning.objects.get(code="m3"))
    for number, code in enumerate(("m2", "m3")):
        Mention.objects.create(message=(Message if number else Warning).objects.get(code=code))


def grow() -> None:
    Mention.objects.create(message=Warning.objects.create(code="new", kind="warning"))
