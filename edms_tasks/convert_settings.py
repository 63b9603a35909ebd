"""The settings' `[convert]`: what an old backup may take, and the passphrase of values in it."""

from __future__ import annotations

from pydantic import Field, SecretStr

from edms_tasks.periods import EXACT
from edms_tasks.soft_reference_settings import Section


class ConvertSettings(Section):
    """How `edms-backup convert` treats an old backup, which may be hostile."""

    time: str = Field(
        default="12h",
        pattern=EXACT,
        description="How long the statements of an engine's dump may run altogether: 90min, 12h, 2d.",
    )
    size_mb: int | None = Field(
        default=None,
        ge=1,
        description="How large the database of a dump may become; default: 100 times the dump, and at least 1024.",
    )
    passphrase: SecretStr | None = Field(
        default=None, description="The passphrase of an export of paperless-ngx; best from the environment."
    )
