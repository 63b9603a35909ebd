"""Send a signal on every way that the settings name, at the same time, and wait for none longer than they allow."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from smtplib import SMTPAuthenticationError, SMTPException, SMTPResponseException
from urllib.error import HTTPError, URLError

from edms_tasks.signal_settings import NotifySettings
from edms_tasks.signalling.channels import ping, post_webhook, send_mail
from edms_tasks.signalling.signal import Signal

Send = Callable[[], None]

PEOPLE = ("webhook", "e-mail")
"""The ways that tell people; a ping is for a service."""


def names_of_ways(settings: NotifySettings) -> set[str]:
    """The ways that the settings name."""
    people = ("webhook", settings.webhook is not None), ("e-mail", bool(settings.email_to))
    return {name for name, wanted in people if wanted} | {f"ping of {verb}" for verb in settings.ping}


def ways(settings: NotifySettings, signal: Signal, *, always: bool = False) -> dict[str, Send]:
    """Name of each way -> what sends the signal there. `always`: whatever `on` says, as for a test."""
    found: dict[str, Send] = {}
    if always or signal.level in settings.on:
        if settings.webhook is not None:
            found["webhook"] = lambda: post_webhook(settings, signal)
        if settings.email_to:
            found["e-mail"] = lambda: send_mail(settings, signal)
    pings = settings.ping if always else {verb: url for verb, url in settings.ping.items() if verb == signal.verb}
    for verb, url in pings.items():
        ending = "fail" if signal.level == "failure" else ""
        address = url.get_secret_value()
        found[f"ping of {verb}"] = lambda address=address, ending=ending: ping(  # type: ignore[misc]
            address, settings.timeout, ending, signal.line
        )
    return found


def start_of(settings: NotifySettings, verb: str) -> dict[str, Send]:
    """The ping that a run of a verb begins; nothing if none is wanted."""
    url = settings.ping.get(verb)
    return {} if url is None else {f"ping of {verb}": lambda: ping(url.get_secret_value(), settings.timeout, "start")}


def send_all(sends: Mapping[str, Send], timeout: float) -> dict[str, str]:
    """Send everything; returns for each way why it failed, "" if it did not."""
    results: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def attempt(name: str, send: Send) -> None:
        try:
            send()
        except Exception as error:
            results.put((name, _why(error)))
        else:
            results.put((name, ""))

    for name, send in sends.items():
        # Daemons, because a server that drips bytes, or a name server that hangs, must not keep the run from ending.
        threading.Thread(target=attempt, args=(name, send), name=f"signal: {name}", daemon=True).start()
    until = time.monotonic() + timeout
    found = dict.fromkeys(sends, f"There was no answer within {timeout:.0f} seconds.")
    for _ in sends:
        try:
            name, why = results.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        found[name] = why
    return found


def _why(error: Exception) -> str:
    """The reason without addresses, which may hold secrets."""
    if isinstance(error, HTTPError):
        return f"The server answered {error.code}."
    if isinstance(error, URLError):
        reason = error.reason
        return f"It could not be reached: {getattr(reason, 'strerror', None) or type(reason).__name__}."
    if isinstance(error, SMTPAuthenticationError):
        return "The mail server refuses user or password."
    if isinstance(error, SMTPResponseException):
        return f"The mail server answered {error.smtp_code}."
    if isinstance(error, SMTPException | OSError):
        return f"It could not be reached: {getattr(error, 'strerror', None) or type(error).__name__}."
    return f"{error}." if isinstance(error, ValueError) and "[notify]" in str(error) else f"{type(error).__name__}."
