"""The settings' `[approval]`: who must agree before a deployed run changes the live system."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from edms_tasks.periods import EXACT
from edms_tasks.soft_reference_settings import Section


class ApprovalSettings(Section):
    """Approval of the runs of a deployment that would change the live system. The command line asks at the terminal instead."""

    required: bool = Field(
        default=True,
        description="A deployed restore, merge or rollback of the live system shows its plan, and waits until it is approved.",
    )
    expires: str = Field(
        default="24h",
        pattern=EXACT,
        description="How long such a run waits; after that it fails, and nothing was changed.",
    )
    persons: Literal[1, 2] = Field(
        default=1, description="How many must approve; 2 (four eyes) needs approvers, and two different ones."
    )
    approvers: dict[str, SecretStr] = Field(
        default={},
        description="Name -> the secret of that person's authenticator app, from `edms-backup approver`. Without any, names are "
        "not checked.",
    )

    @model_validator(mode="after")
    def _has_enough_approvers(self) -> Self:
        if self.persons > 1 and len(self.approvers) < self.persons:
            raise ValueError(
                f"persons = {self.persons} needs that many approvers, with a secret each: a name that is only typed is no second person"
            )
        return self
