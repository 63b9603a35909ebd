"""`flow` and `task`: decorators like Prefect's that import Prefect only if a run needs it.

Their parameters have Prefect's names: name, tags, retries, task_run_name, flow_run_name. Importing Prefect takes a second, which a
run on threads saves. So `.fn` is the plain function, and `.on_prefect` Prefect's flow or task, made on first use.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, get_type_hints

from edms_tasks.errors import CheckFailed
from flows.running.field_descriptions import description_in
from flows.running.hidden_values import with_hidden_values
from flows.running.known_failures import with_known_failures
from flows.running.printable import printable

if TYPE_CHECKING:
    from prefect import Flow
    from prefect import Task as PrefectTask

    from flows.running.run import Run

# Pydantic had a method of this name, which nothing calls; Prefect makes a model of a flow's parameters whenever it starts one.
warnings.filterwarnings("ignore", message='Field name "schema" in .* shadows an attribute', category=UserWarning)

P = ParamSpec("P")
Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)
Request = TypeVar("Request")


class FlowResult(Protocol):
    """The result of a flow."""

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed although it reached its end; None if it does not."""


Result = TypeVar("Result", bound=FlowResult)


@dataclass(frozen=True)
class Shortfall:
    """The failed checks of a run that reached its end."""

    what: str
    problems: tuple[str, ...]


class ChecksFailed(CheckFailed, Generic[Result]):
    """A run reached its end, but its checks failed; `result` is what it returned, for callers in this process."""

    def __init__(self, shortfall: Shortfall, result: Result) -> None:
        why = printable("; ".join(shortfall.problems[:5]))
        super().__init__(shortfall.what, why=why, fix="See the artifacts of this run.")
        self.result = result


@dataclass(frozen=True)
class Task(Generic[P, Made_co]):
    """A task of flows, such as "extract table"."""

    fn: Callable[P, Made_co]
    name: str
    title: Callable[P, str]  # the name of a run, e.g. "extract documents.Document"
    task_run_name: str
    tags: frozenset[str]
    retries: int
    weight: Callable[[Any], int] | None
    anywhere: Callable[P, bool] | None

    @cached_property
    def on_prefect(self) -> PrefectTask[P, Made_co]:
        """Prefect's task."""
        from flows.running.on_prefect import make_task

        return make_task(self)


def task(
    *,
    name: str,
    tags: Iterable[str],
    task_run_name: str = "",
    retries: int = 0,
    weight: Callable[[Any], int] | None = None,
    anywhere: Callable[..., bool] | None = None,
) -> Callable[[Callable[P, Made]], Task[P, Made]]:
    """Make a task of a function of the module.

    Args:
        name: the kind of work, e.g. "extract table".
        tags: the stage, by which runs can be filtered and limited.
        task_run_name: name of a run, as a format of the parameters; default: the name.
        retries: number of retries after a TransientError.
        weight: the work of a run, from its first parameter: of many runs, the heaviest start first.
        anywhere: whether a worker on another machine can do it, from the parameters; None: never. It may be done twice at the same
            time, if a worker is only thought to be lost.
    """

    def declare(fn: Callable[P, Made]) -> Task[P, Made]:
        run_name, signature = task_run_name or name, inspect.signature(fn)

        def title(*args: P.args, **kwargs: P.kwargs) -> str:
            return run_name.format(**signature.bind(*args, **kwargs).arguments)

        return Task(with_known_failures(fn, title), name, title, run_name, frozenset(tags), retries, weight, anywhere)

    return declare


@dataclass(frozen=True)
class Verb(Generic[Request, Result]):
    """A verb: a function of a run and a request, as a flow."""

    fn: Callable[[Run, Request], Result]
    name: str
    description: str
    flow_run_name: str
    repeatable: bool
    may_be_recorded: Callable[[Any], None]
    approve: Callable[[Run, Any], tuple[Run, Any]] | None

    @cached_property
    def request(self) -> type[Request]:
        """The type of the verb's request."""
        hints = get_type_hints(self.fn, localns=_names_for_hints())
        asked: type[Request] = hints["request"]
        return asked

    @cached_property
    def on_prefect(self) -> Flow[Any, Any]:
        """Prefect's flow: the fields of the request are its parameters, after the path of the settings."""
        from flows.running.on_prefect import make_flow

        return make_flow(self)

    def signature(self) -> inspect.Signature:
        """The parameters of the flow's form."""
        hints = get_type_hints(self.request, include_extras=True)
        defaults = self.request()
        parameters = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=getattr(defaults, one.name),
                annotation=hints[one.name],
            )
            for one in fields(self.request)  # type: ignore[arg-type]  # requests are dataclasses
        ]
        config = inspect.Parameter(
            "config", inspect.Parameter.POSITIONAL_OR_KEYWORD, default="edms-backup.toml", annotation=str
        )
        return inspect.Signature([config, *parameters])

    def documentation(self) -> str:
        """The text of the form, as a docstring for Prefect: the function's first paragraph, and a line for each parameter."""
        hints = get_type_hints(self.request, include_extras=True)
        lines = [f"    {name}: {description_in(hint)}" for name, hint in hints.items()]
        first = inspect.getdoc(self.fn) or ""
        config = "    config: Path of the settings file, edms-backup.toml, on the worker's machine."
        return "\n".join([first.split("\n\n")[0], "", "Args:", config, *lines])


def _names_for_hints() -> dict[str, Any]:
    from flows.running.run import Run

    return {"Run": Run}


def always(*args: object, **kwargs: object) -> bool:
    """Any worker can do it, with any parameters."""
    return True


def _anything(request: object) -> None:
    """Accept any request: it contains no secret."""


def flow(
    *,
    name: str,
    description: str,
    flow_run_name: str = "",
    repeatable: bool = False,
    may_be_recorded: Callable[[Any], None] = _anything,
    approve: Callable[[Run, Any], tuple[Run, Any]] | None = None,
) -> Callable[[Callable[[Run, Request], Result]], Verb[Request, Result]]:
    """Make a flow of a function of a run and a request.

    Args:
        name: name in Prefect, e.g. "edms-backup".
        description: one sentence for Prefect's page.
        flow_run_name: name of a run, as a format of the request's fields; default: a name made by Prefect.
        repeatable: whether it can be run again directly if Prefect fails during the run.
        may_be_recorded: raises CommandError for a request that Prefect must not record.
        approve: returns run and request once a deployed run may go on.
    """

    def declare(fn: Callable[[Run, Request], Result]) -> Verb[Request, Result]:
        return Verb(
            with_known_failures(with_hidden_values(fn), lambda *_: name.removeprefix("edms-")),
            name,
            description,
            flow_run_name,
            repeatable,
            may_be_recorded,
            approve,
        )

    return declare
