"""Concurrency limits on the tags of tasks: whether the server has any is asked once a run.

Prefect asks again every five seconds, for each combination of tags, and in a transaction that a server with SQLite refuses while it
records task runs (503). Each refusal costs two seconds or more. Most servers have no such limit.
"""

from __future__ import annotations

import contextlib
from typing import Any

from prefect.client.orchestration import get_client
from prefect.concurrency import services

_MOST = 200  # as many as the server tells at once

# Prefect's memory of tags without limits. It is not a public part: without it Prefect asks as it always did.
_PREFECTS: Any = getattr(services, "_no_limits_cache", None)


class _NoLimits(dict[frozenset[str], bool]):
    """Answers for all tags that they have no limit."""

    def get(self, key: frozenset[str], default: object = None) -> bool:
        return True


def ask_once_for_limits() -> None:
    """Let the run that begins ask for limits before its tasks only if the server has one on a tag now."""
    if _PREFECTS is not None:
        memory: Any = _PREFECTS if _has_limits() else _NoLimits()
        services._no_limits_cache = memory


def _has_limits() -> bool:
    """Whether the server has, or may have, a limit on a tag."""
    with contextlib.suppress(Exception), get_client(sync_client=True) as client:
        found = client.read_global_concurrency_limits(limit=_MOST)
        return len(found) == _MOST or any(one.name.startswith("tag:") for one in found)
    return True
