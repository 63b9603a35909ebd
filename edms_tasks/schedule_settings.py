"""The settings' `[schedule]`: what runs when. Prefect's schedules, systemd's timers and lines for cron are made from it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from edms_tasks.retention_settings import ZoneName
from edms_tasks.soft_reference_settings import Section

AFTER_BACKUP = "after backup"
_OF_SOME_CRONS = re.compile(r"[#?]|[0-9]L|\b[LW]\b|[0-9]W|LW", re.IGNORECASE)


class ScheduleSettings(Section):
    """What runs when: five fields of cron each (minute, hour, day of the month, month, day of the week), or "" for never."""

    timezone: ZoneName = Field(default="UTC", description="The time zone of these hours, e.g. Europe/Berlin.")
    backup: str = Field(default="0 2 * * *", description="A backup: every night at 2.")
    verify_sample: str = Field(
        default="0 4 * * *", description="A verification of a part, each time another: every night at 4."
    )
    sample: float = Field(default=5, gt=0, le=100, description="How much of it, in percent of all bytes.")
    verify: str = Field(
        default="0 5 1 * *", description="A verification of everything: on the first of each month at 5."
    )
    drill: str = Field(default="0 6 * * 0", description="A drill: every Sunday at 6.")
    copy_: str = Field(
        default=AFTER_BACKUP,
        alias="copy",
        description="The second copy, if `[copy] url` is set: after each backup that succeeded; or by hours, like the others.",
    )
    prune: str = Field(default="0 7 * * *", description="A prune, if [retention] has a rule: every day at 7.")
    status: str = Field(
        default="30 * * * *", description="A look at whether the backups are well, which fails if not: every hour."
    )

    @field_validator("backup", "verify_sample", "verify", "drill", "copy_", "prune", "status")
    @classmethod
    def _is_a_time(cls, text: str, info: object) -> str:
        expression = " ".join(text.split())
        if not expression or (expression == AFTER_BACKUP and getattr(info, "field_name", "") == "copy_"):
            return expression
        fields = expression.split()
        if len(fields) != 5:
            raise ValueError(f"{text!r} does not have the five fields of cron; every night at 2 is 0 2 * * *")
        # Cron, systemd and Prefect agree on everything else.
        if "*" not in (fields[2], fields[4]):
            raise ValueError(
                f"{text!r} has a day of the month and a day of the week; give one of them, and * for the other"
            )
        if _OF_SOME_CRONS.search(fields[2] + fields[4]):
            raise ValueError(f"{text!r} has a sign that not every cron knows (L, W or #)")
        try:
            next(CronSim(expression, datetime.now(UTC)))
        except CronSimError as error:
            raise ValueError(f"{text!r} is no time of cron ({error}); every night at 2 is 0 2 * * *") from error
        except StopIteration:
            raise ValueError(f"{text!r} never comes") from None
        return expression
