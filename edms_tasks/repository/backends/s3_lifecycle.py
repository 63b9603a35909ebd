"""The rules of a bucket's life cycle that would remove the repository's objects, or move them where no request reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from edms_tasks.repository.backends.s3_store import s3_client
from edms_tasks.settings import RepositorySettings

_UNREADABLE = ("GLACIER", "DEEP_ARCHIVE")  # an object there has to be brought back, which takes hours
_OF_TAGGED = ("Tag", "Tags")  # a repository's objects have none


def harmful_rules(settings: RepositorySettings) -> tuple[str, ...]:
    """What rules do to the repository's objects, as sentences; none if it is in no bucket, or the rules may not be asked for."""
    parts = urlsplit(settings.url)
    if parts.scheme != "s3":
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = s3_client(settings.options, settings.url).get_bucket_lifecycle_configuration(Bucket=parts.netloc)
    except (BotoCoreError, ClientError):
        return ()  # there are none, the store knows none, or these credentials lack s3:GetLifecycleConfiguration
    prefix = parts.path.strip("/")
    return tuple(said for rule in answer.get("Rules", ()) for said in _said_of(rule, f"{prefix}/" if prefix else ""))


def _said_of(rule: Mapping[str, Any], prefix: str) -> Iterator[str]:
    chosen = rule.get("Filter") or {}
    both = chosen.get("And") or {}
    begins = rule.get("Prefix") or chosen.get("Prefix") or both.get("Prefix") or ""
    reaches_us = begins.startswith(prefix) or prefix.startswith(begins)
    if (
        rule.get("Status") != "Enabled"
        or not reaches_us
        or any(name in one for one in (chosen, both) for name in _OF_TAGGED)
    ):
        return
    name, which = rule.get("ID") or "without a name", f" whose names begin with {begins}" if begins else ""
    ends = rule.get("Expiration") or {}
    if "Days" in ends or "Date" in ends:
        yield f"The rule {name} removes objects{which} {_when(ends)}."
    for moved in rule.get("Transitions") or ():
        if moved.get("StorageClass") in _UNREADABLE:
            yield f"The rule {name} moves objects{which} to {moved['StorageClass']} {_when(moved)}: no backup or restore reads them there."


def _when(said: Mapping[str, Any]) -> str:
    return f"on {said['Date']:%Y-%m-%d}" if "Date" in said else f"after {said.get('Days', 0)} days"
