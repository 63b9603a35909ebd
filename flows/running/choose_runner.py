"""Choose where a verb runs: directly in this process, or as a Prefect flow. The flow function and its result are the same.

With a Prefect API configured (PREFECT_API_URL, or the active profile) the flow's run is recorded there. Without one the
composition runs directly: starting a temporary Prefect server costs seconds that buy nothing. An API that cannot be used
never stops a backup: the composition runs directly, and the result says so.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edms_tasks.errors import TransientError
from flows.running.prefect_api import configured_api, why_unusable, without_proxy_for
from flows.running.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings
    from flows.running.flow_decorators import FlowResult, Verb
    from flows.running.temporary_server import TemporaryServer

Request = TypeVar("Request")
Result = TypeVar("Result", bound="FlowResult")
prefect_is_lost = False  # see `abandon_prefect`


@dataclass(frozen=True)
class VerbRunner:
    """Runs verbs, directly or as Prefect flows.

    Args:
        config: the settings file, for a flow that reads it by itself.
        settings: the settings in it.
        prefect: whether to run as a Prefect flow.
        console: console for the progress of a direct run; None for none.
        server: a temporary Prefect server that is starting; None if another is configured, or none is needed.
    """

    config: Path
    settings: Settings
    prefect: bool
    console: Console | None
    server: TemporaryServer | None = None
    notes: list[str] = field(default_factory=list)  # notes on where the verb ran

    def perform(
        self, load: Callable[[], Verb[Request, Result]], request: Request, *, ask_ahead: bool = False
    ) -> Result:
        """Run a verb and return its result, even if its checks failed.

        `load` imports the verb; it is called while Prefect's server starts, or (`ask_ahead`) while the EDMS is inspected.

        Raises:
            TransientError: Prefect failed during a run that must not be repeated.
        """
        if self.prefect:
            return self._on_prefect(load(), request)
        return self._directly(load, request, ask_ahead=ask_ahead)

    def _directly(
        self, load: Callable[[], Verb[Request, Result]], request: Request, *, ask_ahead: bool = False
    ) -> Result:
        from flows.running.early_inspection import asking_ahead

        with asking_ahead(self.settings, at_once=ask_ahead) as ask:
            verb = load()
            from flows.running.run import Run
            from flows.running.threads import ThreadRunner

            return verb.fn(Run(self.settings, ThreadRunner(self.console), ask=ask), request)

    def _on_prefect(self, verb: Verb[Request, Result], request: Request) -> Result:
        from flows.running import prefect_result

        if self.server is not None:
            self.server.wait()  # the server starts while Prefect and our own libraries load
        try:
            return prefect_result.result_of(verb, self.config, request)
        except prefect_result.LostApi as lost:
            abandon_prefect()
            if lost.result is not None:
                self._say(
                    f"The connection to the Prefect API was lost ({lost}). The run finished, but Prefect may show it as running."
                )
                result: Result = lost.result
                return result
            if not verb.repeatable:
                raise TransientError(
                    "The connection to the Prefect API was lost before the run ended.",
                    why=str(lost),
                    fix="Run it again with --no-flow. `edms-backup restore SNAPSHOT --dry-run` shows whether anything is unfinished.",
                ) from lost
            self._say(
                f"The connection to the Prefect API was lost ({lost}). The run was repeated directly and is not recorded there."
            )
            return self._directly(lambda: verb, request)

    def _say(self, note: str) -> None:
        self.notes.append(note)
        if self.console is not None:
            self.console.print(printable(f"! {note}"), markup=False, highlight=False, soft_wrap=True)


def choose_runner(config: Path, settings: Settings, *, flow: bool | None, console: Console | None) -> VerbRunner:
    """Decide where to run; `flow` is the user's choice, None leaves it to the configuration.

    Without an explicit choice, an API that cannot be used is a note, and the run is a direct one.

    Raises:
        TransientError: a flow was asked for, and the configured Prefect API cannot be used.
    """
    api = configured_api()
    prefect = flow if flow is not None else api is not None
    if prefect and api is not None and (why := why_unusable(api)):
        if flow:
            raise TransientError(
                "The Prefect API cannot be used.",
                where=api.display,
                why=why,
                fix="Start it, correct PREFECT_API_URL, or run without it: --no-flow.",
            )
        runner = VerbRunner(config=config.absolute(), settings=settings, prefect=False, console=console)
        runner._say(
            f"The Prefect API at {api.display} cannot be used ({why}) This run was direct and is not recorded there."
        )
        return runner
    url = api.url if api is not None else None
    if prefect:
        # A server that hangs must not delay a backup for longer than this. For our own server Prefect's number of retries remains:
        # on a busy machine its database refuses writes for seconds (503).
        os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "30")
        if url is not None:
            os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")
        atexit.register(_last_words)  # exit functions run in reverse order of registration
    server = None
    if prefect and url is None:
        from flows.running.temporary_server import TemporaryServer

        os.environ.setdefault("DO_NOT_TRACK", "1")
        os.environ.update(without_proxy_for("127.0.0.1", os.environ))
        os.environ.setdefault("PREFECT_UI_URL", "")  # no links to a server that ends with this process
        server = TemporaryServer()
        os.environ["PREFECT_API_URL"] = server.url  # Prefect reads it when it is imported
    return VerbRunner(config=config.absolute(), settings=settings, prefect=prefect, console=console, server=server)


def abandon_prefect() -> None:
    """Do not wait for a lost server at the end of this process: Prefect would try to send every event, for minutes."""
    global prefect_is_lost
    prefect_is_lost = True


def _last_words() -> None:
    """Silence standard error: Prefect's threads keep modules until the process ends, which DuckDB would report as leaks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
