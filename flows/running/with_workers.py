"""Let workers on other machines take part in a verb, if the settings say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from flows.running.run import Run

Request = TypeVar("Request")
Result = TypeVar("Result")


def with_workers(verb: Callable[[Run, Request], Result]) -> Callable[[Run, Request], Result]:
    """Make a verb hand its tasks to the workers of a Dask cluster with `[run] on = "dask"`.

    It then raises, before any work:
        SettingsError: Dask is not installed, there is no such class of clusters, or the database has no server.
        WorkersUnreachable: the scheduler does not answer, or has no workers.
        WorkersDiffer: a worker has other versions or settings, or does not see the scratch folder.
    """

    @wraps(verb)
    def handing_out(run: Run, request: Request) -> Result:
        if run.settings.run.on != "dask":
            return verb(run, request)
        from flows.running.on_dask import on_dask

        with on_dask(run.settings, run.runner) as runner:
            return verb(replace(run, runner=runner), request)

    return handing_out
