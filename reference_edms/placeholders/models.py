"""Templates for new documents, and the placeholders that are filled in."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from documents.models import DocumentType


class PlaceholderDefinitionManager(models.Manager):
    """Finds placeholders by name."""

    def get_by_natural_key(self, name: str) -> PlaceholderDefinition:
        """Return the placeholder of this name."""
        return self.get(name=name)


class PlaceholderDefinition(models.Model):
    """A word in braces that a template may hold, and what replaces it."""

    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    default_value = models.TextField(null=True, blank=True)
    pattern = models.CharField(max_length=200, blank=True)
    is_required = models.BooleanField(default=False)

    objects = PlaceholderDefinitionManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="placeholderdefinition_unique")]

    def __str__(self) -> str:
        return f"{{{{{self.name}}}}}"

    def natural_key(self) -> tuple[str]:
        """Return the name, which templates spell out."""
        return (self.name,)


class DocumentTemplateManager(models.Manager):
    """Finds templates by name and revision."""

    def get_by_natural_key(self, name: str, revision: int) -> DocumentTemplate:
        """Return this revision of the template."""
        return self.get(name=name, revision=revision)


class DocumentTemplate(models.Model):
    """A form from which documents of some types are written."""

    name = models.CharField(max_length=120)
    revision = models.PositiveIntegerField(default=1)
    body = models.TextField(blank=True)
    file = models.FileField(upload_to="templates/", max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    document_types = models.ManyToManyField(DocumentType, blank=True, related_name="templates")
    placeholders = models.ManyToManyField(
        PlaceholderDefinition, through="TemplatePlaceholder", related_name="templates"
    )

    objects = DocumentTemplateManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "revision"], name="documenttemplate_unique")]

    def __str__(self) -> str:
        return f"{self.name} r{self.revision}"

    def natural_key(self) -> tuple[str, int]:
        """Return name and revision."""
        return (self.name, self.revision)


class ControlledTemplate(DocumentTemplate):
    """A template that is itself under document control; extends the row of its template."""

    control_number = models.CharField(max_length=40, unique=True)
    effective_date = models.DateField(null=True, blank=True)

    objects = DocumentTemplateManager()


class TemplatePlaceholderManager(models.Manager):
    """Finds a use of a placeholder by template and placeholder."""

    def get_by_natural_key(self, template: str, revision: int, name: str) -> TemplatePlaceholder:
        """Return the use of this placeholder in this template."""
        return self.get(template__name=template, template__revision=revision, placeholder__name=name)


class TemplatePlaceholder(models.Model):
    """A placeholder used in a template, and its place in the form."""

    template = models.ForeignKey(DocumentTemplate, on_delete=models.CASCADE)
    placeholder = models.ForeignKey(PlaceholderDefinition, on_delete=models.PROTECT)
    position = models.PositiveIntegerField(default=0)
    override = models.CharField(max_length=200, null=True, blank=True)

    objects = TemplatePlaceholderManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["template", "placeholder"], name="templateplaceholder_unique")]

    def __str__(self) -> str:
        return f"{self.placeholder} in {self.template}"

    def natural_key(self) -> tuple[str | int, ...]:
        """Return the keys of template and placeholder."""
        return (*self.template.natural_key(), *self.placeholder.natural_key())

    natural_key.dependencies = [  # type: ignore[attr-defined]
        "placeholders.documenttemplate",
        "placeholders.placeholderdefinition",
    ]
