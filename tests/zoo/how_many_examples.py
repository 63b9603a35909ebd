"""How many random examples a test of the zoo draws: a few, the same in every run, or as many new ones as are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("EDMS_ZOO_EXAMPLES", "0"))


def as_many_as(usual: int) -> settings:
    """So many, or as many as are asked for."""
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=tuple(Phase) if EXAMPLES else (Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def at_length(usual: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same in `make test-long` only, and without a limit of time."""

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        marked: Callable[..., None] = pytest.mark.long(pytest.mark.timeout(0)(as_many_as(usual)(test)))
        return marked

    return decorated
