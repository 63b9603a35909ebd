"""The ways to tell it: a webhook, an e-mail, a ping. Each raises OSError, SMTPException or ValueError if it cannot."""

from __future__ import annotations

import json
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from edms_tasks.signal_settings import NotifySettings
from edms_tasks.signalling.signal import Signal

_LONGEST_LINE = 998
_LARGEST_ANSWER = 64 * 1024


def post_webhook(settings: NotifySettings, signal: Signal) -> None:
    """Post the signal as JSON."""
    assert settings.webhook is not None
    headers = {name: value.get_secret_value() for name, value in settings.webhook_headers.items()}
    body = json.dumps(signal.as_json()).encode()
    _ask(settings.webhook.get_secret_value(), settings.timeout, body, {"Content-Type": "application/json", **headers})


def ping(url: str, timeout: float, ending: str = "", text: str = "") -> None:
    """Ask for a healthchecks URL: itself for a success, with the ending `start` or `fail`. The text is kept there with it."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{ending}" if ending else parts.path
    _ask(
        urlunsplit(parts._replace(path=path)),
        timeout,
        text.encode() or None,
        {"Content-Type": "text/plain; charset=utf-8"},
    )


def send_mail(settings: NotifySettings, signal: Signal) -> None:
    """Send an e-mail, encrypted unless the settings say `smtp+plain`; the server's certificate must be right."""
    if settings.smtp is None or settings.email_from is None:
        raise ValueError("[notify] email_to needs smtp and email_from")
    message = EmailMessage(policy=SMTP.clone(max_line_length=_LONGEST_LINE))
    message["Subject"] = f"[edms-backup] {signal.line}"
    message["From"], message["To"] = settings.email_from, ", ".join(settings.email_to)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="edms-backup.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(signal.text)
    parts = urlsplit(settings.smtp)
    host, trusted = parts.hostname or "", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=settings.timeout, context=trusted)
    else:
        server = smtplib.SMTP(host, parts.port or (587 if parts.scheme == "smtp" else 25), timeout=settings.timeout)
    with server:
        if parts.scheme == "smtp":
            server.starttls(context=trusted)
        if settings.smtp_user is not None:
            password = settings.smtp_password.get_secret_value() if settings.smtp_password is not None else ""
            server.login(settings.smtp_user, password)
        if refused := server.send_message(message):
            raise ValueError(f"The mail server refused {len(refused)} of {len(settings.email_to)} addresses")


def _ask(url: str, timeout: float, body: bytes | None, headers: dict[str, str]) -> None:
    request = Request(url, data=body, headers={"User-Agent": "edms-backup", **headers})  # noqa: S310 - http or https, by the settings
    with urlopen(request, timeout=timeout) as answer:  # noqa: S310
        answer.read(_LARGEST_ANSWER)
