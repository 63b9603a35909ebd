"""Writes an audit entry whenever an audited object is saved or deleted.

Rows that are loaded raw (fixtures, restores) bring their own history and must not make a new one.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import models
from django.db.models.signals import post_save, pre_delete, pre_save
from django.http import HttpRequest

from audit import chain
from audit.actor import current_actor
from audit.models import AuditTrail, SystemEvent
from documents.models import (
    Document,
    DocumentAttachment,
    DocumentComment,
    DocumentDependency,
    DocumentSource,
    DocumentType,
    DocumentVersion,
)
from placeholders.models import ControlledTemplate, DocumentTemplate, PlaceholderDefinition
from security.models import ElectronicSignature, PDFSigningCertificate
from users.models import Role, User, UserRole
from workflows.models import DocumentState, DocumentTransition, DocumentWorkflow

AUDITED: tuple[type[models.Model], ...] = (
    User,
    Role,
    UserRole,
    DocumentType,
    DocumentSource,
    Document,
    DocumentVersion,
    DocumentDependency,
    DocumentComment,
    DocumentAttachment,
    DocumentState,
    DocumentWorkflow,
    DocumentTransition,
    ElectronicSignature,
    PDFSigningCertificate,
    PlaceholderDefinition,
    DocumentTemplate,
    ControlledTemplate,
)

_ACTIONS: dict[type[models.Model], str] = {
    DocumentTransition: AuditTrail.Action.WORKFLOW,
    ElectronicSignature: AuditTrail.Action.SIGN,
}
# Secrets have no place in a trail that many may read, and a login is not a change of the user.
_UNRECORDED = {"password", "last_login", "encrypted_key", "certificate"}
_LONGEST_VALUE = 200


def connect() -> None:
    """Start to record the audited models and logins."""
    for model in AUDITED:
        key = model._meta.label
        pre_save.connect(_remember, sender=model, dispatch_uid=f"audit-remember-{key}")
        post_save.connect(_record_save, sender=model, dispatch_uid=f"audit-save-{key}")
        pre_delete.connect(_record_delete, sender=model, dispatch_uid=f"audit-delete-{key}")
    user_logged_in.connect(_record_login, dispatch_uid="audit-login")
    user_login_failed.connect(_record_failed_login, dispatch_uid="audit-login-failed")


def _remember(sender: type[models.Model], instance: models.Model, raw: bool, **_: Any) -> None:
    if raw:
        return
    before = None
    if not instance._state.adding:
        stored = sender._base_manager.filter(pk=instance.pk).first()
        before = _readable(stored) if stored is not None else None
    instance._audit_before = before  # type: ignore[attr-defined]


def _record_save(sender: type[models.Model], instance: models.Model, created: bool, raw: bool, **_: Any) -> None:
    if raw:
        return
    # An instance as assigned may still hold '1.50' for a Decimal; only the row tells what was kept.
    stored = sender._base_manager.get(pk=instance.pk)
    after = _readable(stored)
    before = getattr(instance, "_audit_before", None)
    if created or before is None:
        action = _ACTIONS.get(sender, AuditTrail.Action.CREATE)
        chain.append(action, instance, {"new": after}, current_actor())
        return
    changes = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
    if changes:
        chain.append(AuditTrail.Action.UPDATE, instance, changes, current_actor())


def _record_delete(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    changes = {"old": _readable(instance)}
    chain.append(AuditTrail.Action.DELETE, instance, changes, current_actor())


def _record_login(request: HttpRequest, user: User, **_: Any) -> None:
    SystemEvent.objects.create(event="login", user=user, message=user.get_username(), ip_address=_address(request))


def _record_failed_login(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    SystemEvent.objects.create(
        event="login failed",
        level=SystemEvent.Level.WARNING,
        message=str(credentials.get("username", ""))[:150],
        ip_address=_address(request),
    )


def _address(request: HttpRequest | None) -> str | None:
    return (request.META.get("REMOTE_ADDR") or None) if request is not None else None


def _readable(instance: models.Model) -> dict[str, str | None]:
    # Values are kept as text: engines disagree about how a number in JSON is written back, and the
    # seal must not depend on that.
    readable: dict[str, str | None] = {}
    for field in instance._meta.concrete_fields:
        if field.name in _UNRECORDED:
            continue
        value = field.value_from_object(instance)
        readable[field.name] = None if value is None else str(value)[:_LONGEST_VALUE]
    return readable
