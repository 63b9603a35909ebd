"""The settings' `[validate]`: what is validated besides the proof, and what reports may show."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from edms_tasks.soft_reference_settings import Section


class ValidateSettings(Section):
    """Further validations, and what reports may show."""

    sensitive: tuple[str, ...] = Field(
        default=(), description="app.Model.field or table.column whose values never appear in reports and errors."
    )
    suites: Path | None = Field(
        default=None,
        description="Folder of Great Expectations suites of your own (*.json), which a restore must pass as well.",
    )
    django_check: bool = Field(default=True, description="Run the EDMS's own `check` against the staging database.")
