"""The audit trail, which only grows, and the log of the system's own events."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone


class AuditTrailManager(models.Manager):
    """Finds entries by their UUID."""

    def get_by_natural_key(self, uid: str | uuid.UUID) -> AuditTrail:
        """Return the entry with this UUID."""
        return self.get(uid=uid)


class AuditTrail(models.Model):
    """One act on one object, sealed by a checksum that also covers the entry before it.

    Database triggers refuse every UPDATE and DELETE of these rows; that is why nothing they refer to
    cascades or is set to NULL.
    """

    class Action(models.TextChoices):
        CREATE = "create", "Created"
        UPDATE = "update", "Changed"
        DELETE = "delete", "Deleted"
        SIGN = "sign", "Signed"
        WORKFLOW = "workflow", "Moved on"

    uid = models.UUIDField(default=uuid.uuid4, editable=False)
    sequence = models.BigIntegerField(unique=True)
    timestamp = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    username = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=16, choices=Action.choices)
    content_type = models.ForeignKey(ContentType, null=True, blank=True, on_delete=models.PROTECT)
    # Text, because the audited models have integer, UUID and character primary keys.
    object_id = models.CharField(max_length=64, null=True, blank=True)
    content_object = GenericForeignKey("content_type", "object_id")
    object_label = models.TextField(blank=True)
    changes = models.JSONField(default=dict, blank=True)
    previous_checksum = models.CharField(max_length=64, blank=True)
    checksum = models.CharField(max_length=64)

    objects = AuditTrailManager()

    class Meta:
        verbose_name_plural = "audit trail"
        constraints = [models.UniqueConstraint(fields=["uid"], name="audittrail_uid_unique")]
        indexes = [models.Index(fields=["content_type", "object_id"], name="audittrail_object_idx")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.username or 'system'} {self.action} {self.object_label}"

    def natural_key(self) -> tuple[str]:
        """Return the UUID: two installations both count from one."""
        return (str(self.uid),)


class SystemEvent(models.Model):
    """Something the system itself noticed. Has no key but its id: equal events do happen.

    ``content_type`` and ``object_id`` look like a generic foreign key but none is declared, as in
    Django's own admin log.
    """

    class Level(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    occurred_at = models.DateTimeField(default=timezone.now)
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.INFO)
    event = models.CharField(max_length=80)
    message = models.TextField(blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    content_type = models.ForeignKey(ContentType, null=True, blank=True, on_delete=models.SET_NULL)
    object_id = models.BigIntegerField(null=True, blank=True)
    payload = models.JSONField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.occurred_at:%Y-%m-%d %H:%M} {self.event}"
