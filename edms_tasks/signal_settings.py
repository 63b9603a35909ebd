"""The settings' `[notify]` and `[metrics]`: who is told how runs end, without any server of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from edms_tasks.soft_reference_settings import Section

Level = Literal["failure", "warning", "success"]
"""How a run ended: failed or stopped; done, with new findings; done."""


class NotifySettings(Section):
    """Whom to tell how runs end: a webhook, people by e-mail, a service that expects pings."""

    on: tuple[Level, ...] = Field(
        default=("failure", "warning"),
        description="Of which runs webhook and e-mail tell: failure, warning (done, with new findings), success.",
    )
    webhook: SecretStr | None = Field(default=None, description="URL to which a JSON object is posted.")
    webhook_headers: dict[str, SecretStr] = Field(
        default={}, description="Headers of that request, such as Authorization; secrets allowed."
    )
    ping: dict[str, SecretStr] = Field(
        default={},
        description="Verb -> URL of a healthchecks service, which alarms if a run does not come; URL/start and URL/fail are its others.",
    )
    smtp: str | None = Field(
        default=None,
        description="The mail server: smtp://HOST:587 (STARTTLS), smtps://HOST:465, or smtp+plain://localhost:25 without encryption.",
    )
    smtp_user: str | None = Field(default=None, description="The user there; not set: no login.")
    smtp_password: SecretStr | None = Field(default=None, description="The password there; keep it in the environment.")
    email_from: str | None = Field(default=None, description="The sender's address.")
    email_to: tuple[str, ...] = Field(default=(), description="Who gets the e-mails.")
    prefect_block: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+/[a-z0-9-]+$",
        description="A notification block, TYPE/NAME, by which a Prefect server tells of alarms itself: slack-webhook/backups.",
    )
    timeout: int = Field(default=10, ge=1, le=120, description="Seconds that signals may take, all together.")

    @property
    def is_empty(self) -> bool:
        """Whether nobody is told anything."""
        return self.webhook is None and not self.ping and not self.email_to

    @property
    def tells_people(self) -> bool:
        """Whether somebody is told of failures."""
        return "failure" in self.on and (self.webhook is not None or bool(self.email_to))

    @field_validator("webhook")
    @classmethod
    def _is_web(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _require_web(url)
        return url

    @field_validator("ping")
    @classmethod
    def _are_web(cls, urls: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for url in urls.values():
            _require_web(url)
        return urls

    @field_validator("smtp")
    @classmethod
    def _is_mail(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps", "smtp+plain") or not parts.hostname:
            raise ValueError("It must be smtp://HOST:PORT, smtps://HOST:PORT or smtp+plain://HOST:PORT")
        if parts.username or parts.password:
            raise ValueError("User and password belong into smtp_user and smtp_password")
        _ = parts.port  # a ValueError if it is none
        return url


class MetricsSettings(Section):
    """Numbers for Prometheus."""

    file: Path | None = Field(
        default=None,
        description="A file NAME.prom for node_exporter's textfile collector, written after each run.",
    )

    @field_validator("file")
    @classmethod
    def _is_collected(cls, path: Path | None) -> Path | None:
        if path is not None and path.suffix != ".prom":
            raise ValueError("Its name must end in .prom: the collector reads no others")
        return path


def _require_web(url: SecretStr) -> None:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("It must be an http or https URL")
