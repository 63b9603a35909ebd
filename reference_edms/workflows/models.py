"""The states of a document's life, where each document stands, and every step it took."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from documents.models import Document


class DocumentState(models.Model):
    """A state of the life cycle.

    The code is the primary key and already means the same everywhere. Django would drop it from a dump
    if a ``natural_key()`` returned it, so there is none on purpose.
    """

    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=0)
    is_initial = models.BooleanField(default=False)
    is_final = models.BooleanField(default=False)

    class Meta:
        ordering = ["position", "code"]

    def __str__(self) -> str:
        return self.name


class DocumentWorkflowManager(models.Manager):
    """Finds workflows by their document."""

    def get_by_natural_key(self, number: str, major: int, minor: int) -> DocumentWorkflow:
        """Return the workflow of this document."""
        return self.get(
            document__number=number,
            document__version_major=major,
            document__version_minor=minor,
        )


class DocumentWorkflow(models.Model):
    """Where a document stands, and who is expected to act."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="workflow")
    state = models.ForeignKey(DocumentState, on_delete=models.PROTECT)
    initiated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="workflows_initiated"
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="workflows_assigned",
    )
    due_on = models.DateField(null=True, blank=True)
    context = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DocumentWorkflowManager()

    def __str__(self) -> str:
        return f"{self.document}: {self.state}"

    def natural_key(self) -> tuple[str, int, int]:
        """Return the document's key, since a document has one workflow."""
        return self.document.natural_key()

    natural_key.dependencies = ["documents.document"]  # type: ignore[attr-defined]


class DocumentTransitionManager(models.Manager):
    """Finds steps by their document and counter."""

    def get_by_natural_key(self, number: str, major: int, minor: int, sequence: int) -> DocumentTransition:
        """Return this step of this document's workflow."""
        return self.get(
            workflow__document__number=number,
            workflow__document__version_major=major,
            workflow__document__version_minor=minor,
            sequence=sequence,
        )


class DocumentTransition(models.Model):
    """One step from a state to the next; its key passes through the workflow to the document."""

    workflow = models.ForeignKey(DocumentWorkflow, on_delete=models.CASCADE, related_name="transitions")
    sequence = models.PositiveIntegerField()
    from_state = models.ForeignKey(
        DocumentState,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="transitions_out",
    )
    to_state = models.ForeignKey(DocumentState, on_delete=models.PROTECT, related_name="transitions_in")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    comment = models.TextField(null=True, blank=True)
    occurred_at = models.DateTimeField(default=timezone.now)

    objects = DocumentTransitionManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "sequence"], name="documenttransition_unique")]

    def __str__(self) -> str:
        return f"{self.workflow.document} step {self.sequence}: {self.to_state}"

    def natural_key(self) -> tuple[str | int, ...]:
        """Return the document's key, reached through the workflow, and the step."""
        return (*self.workflow.natural_key(), self.sequence)

    natural_key.dependencies = [  # type: ignore[attr-defined]
        "workflows.documentworkflow"
    ]
