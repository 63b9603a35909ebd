"""Tasks and flows on Prefect: recorded as runs, with edges from what a task made to the tasks that use it.

Arguments of tasks are quoted: Prefect neither walks nor records them, which would be slow for large values and wrong for secrets.
Results are neither cached nor persisted: a cached result outlives the run, and does not show that what it describes still exists.
"""

from __future__ import annotations

import functools
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import UUID

import prefect
from prefect import get_run_logger, runtime, tags
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State, StateDetails, StateType
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.futures import PrefectFuture
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote
from pydantic import BaseModel

from edms_tasks.errors import AlreadyPromoted, TransientError
from edms_tasks.files.progress import Progress
from edms_tasks.settings import load_settings
from flows.running.allowed_settings import allowed_settings
from flows.running.event_names import artifact_key, resource_of
from flows.running.flow_decorators import ChecksFailed, Task, Verb
from flows.running.hidden_values import with_no_values
from flows.running.markdown import plain
from flows.running.printable import printable
from flows.running.progress_estimate import Pace, Told
from flows.running.question import Question
from flows.running.run import Run
from flows.running.runner import RETRY_SECONDS, heaviest_first
from flows.running.said_lines import note_said
from flows.running.suspending import ask_people
from flows.running.tag_limits import ask_once_for_limits

P = ParamSpec("P")
Item = TypeVar("Item")
Made = TypeVar("Made")
Left = TypeVar("Left")

# The default runner has no limit. The limit of a map is its `jobs`; this is the largest that the settings allow.
_RUNNER: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=64)
_SECONDS_BETWEEN_UPDATES = 2.0
# A worker kills a run that has not ended 30 seconds after it was cancelled; the rest is for cleaning up.
_SECONDS_TO_END = 15.0

ended: list[Any] = []
"""Results of flows whose run Prefect has not recorded yet."""


def make_flow(verb: Verb[Any, Any]) -> prefect.Flow[Any, Any]:
    """Prefect's flow for a verb. A run whose checks fail is a failed run, so that schedules and automations notice."""

    def entry(**parameters: Any) -> Any:
        config = parameters.pop("config")
        run = Run(load_settings(allowed_settings(config)), PrefectRunner())
        request = verb.request(**parameters)
        verb.may_be_recorded(request)
        try:
            if verb.approve is not None:
                run, request = verb.approve(run, request)
            result = with_no_values(verb.fn)(run, request)
        except AlreadyPromoted as done:
            # "Retry" in Prefect would run a completed run again with the same parameters; keep its result instead.
            return Completed(message=f"{done.what} {done.fix}")
        ended.append(result)
        if (shortfall := result.shortfall()) is not None:
            raise ChecksFailed(shortfall, result)
        return result

    functools.update_wrapper(entry, verb.fn)
    del entry.__wrapped__  # type: ignore[attr-defined]  # the signature is the form's, not the function's
    signature = verb.signature()
    entry.__signature__ = signature  # type: ignore[attr-defined]
    entry.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    entry.__doc__ = verb.documentation()
    return prefect.flow(
        name=verb.name,
        description=verb.description,
        flow_run_name=functools.partial(_run_name, verb.flow_run_name) if verb.flow_run_name else None,
        task_runner=_RUNNER,
        persist_result=False,
    )(entry)


def _run_name(template: str) -> str:
    parameters = {name: value or "" for name, value in runtime.flow_run.parameters.items()}
    return template.format(**parameters).strip()


def make_task(task: Task[P, Made]) -> prefect.Task[P, Made]:
    """Prefect's task for one of ours: never cached, retried if the error is transient."""
    return prefect.task(
        name=task.name,
        tags=task.tags,
        task_run_name=task.task_run_name,
        retries=task.retries,
        retry_delay_seconds=list(RETRY_SECONDS[: task.retries]) or None,
        retry_condition_fn=_may_pass,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(with_no_values(task.fn))


class PrefectRunner:
    """Runs tasks inside a Prefect flow; make it in the flow's own function."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.run_id = str(runtime.flow_run.id or "")
        self.deployed = _deployment() is not None
        self.started_by = _started_by()
        ask_once_for_limits()
        self._refuses_artifacts = False  # whether Prefect refused an artifact; then no more are sent
        self._made: dict[
            int, tuple[object, State[Any]]
        ] = {}  # id() of a result or of a part of it -> (it, the run that made it)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = time.monotonic()
        try:
            yield
        finally:
            taken = time.monotonic() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + taken
            _log(f"{name}: {taken:.1f} s")

    @contextmanager
    def tagged(self, *names: str) -> Iterator[None]:
        """Give the tasks inside more tags."""
        with tags(*names):
            yield

    def call(self, task: Task[P, Made], /, *args: P.args, **kwargs: P.kwargs) -> Made:
        """Run a task once, in the flow's own thread."""
        state = cast(
            "State[Made]",
            _untyped(task)(
                *map(quote, args),
                **{name: quote(value) for name, value in kwargs.items()},
                return_state=True,
                wait_for=self._makers([*args, *kwargs.values()]),
            ),
        )
        made = state.result()
        self._remember(made, state.state_details.task_run_id)
        return made

    def map(
        self,
        jobs: int,
        task: Task[Concatenate[Item, P], Made],
        items: Sequence[Item],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> list[Made]:
        """Run a task for each item, as tasks of the flow's task runner."""
        waiting = heaviest_first(items, task.weight)[::-1]
        running: dict[int, PrefectFuture[Made]] = {}
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        made: dict[int, Made] = {}
        failure: BaseException | None = None
        shared = [quote(value) for value in args]
        named = {name: quote(value) for name, value in kwargs.items()}

        def start(position: int) -> None:
            item = items[position]
            future = _untyped(task).submit(quote(item), *shared, **named, wait_for=self._makers([item]))
            running[position] = future
            future.add_done_callback(lambda _: ended.put(position))

        try:
            # Submit `jobs` tasks at a time: the runner would start all submitted ones, even after a failure.
            while running or (waiting and failure is None):
                while waiting and failure is None and len(running) < max(1, jobs):
                    start(waiting.pop())
                position = ended.get()
                future = running.pop(position)
                try:
                    made[position] = future.result()
                except Exception as error:
                    failure = failure or error
                else:
                    self._remember(made[position], future.task_run_id)
        except BaseException as error:  # cancelled, or the API is lost
            _let_end(running.values(), None if isinstance(error, Exception) else _SECONDS_TO_END)
            raise
        if failure is not None:
            raise failure
        return [made[position] for position in range(len(items))]

    def _remember(self, made: object, task_run: UUID | None) -> None:
        # A state without data, because Prefect would walk it.
        maker: State[Any] = State(type=StateType.COMPLETED, data=True, state_details=StateDetails(task_run_id=task_run))
        for part in _parts(made, depth=0):
            self._made[id(part)] = (part, maker)
        for part in _parts(made, depth=3):  # a part that another task made keeps its maker
            self._made.setdefault(id(part), (part, maker))

    def _makers(self, given: Iterable[object]) -> list[State[Any]]:
        """The states of the runs that made a task's arguments: the edges of the run's graph."""
        found = (self._made.get(id(part)) for value in given for part in _parts(value, depth=2))
        return list({id(known[1]): known[1] for known in found if known is not None}.values())

    @contextmanager
    def progress(self, title: str, total: int = 0, size: int = 0) -> Iterator[Progress]:
        """Show how a loop advances, as a progress artifact of the task or flow that is running; none of a loop that soon ends."""
        artifact: UUID | None = None

        def tell(pace: Pace) -> None:
            nonlocal artifact
            percent, text = min(99.0, 100 * (pace.fraction or 0.0)), plain(f"{title}: {pace}")
            if artifact is None:
                key = artifact_key(title)
                artifact = self._leave(lambda: cast(UUID, create_progress_artifact(percent, key=key, description=text)))
            else:
                known = artifact
                self._leave(lambda: update_progress_artifact(known, percent, text))

        yield Told(Pace(title.partition(" ")[0], total, size), tell, every=_SECONDS_BETWEEN_UPDATES)
        if artifact is not None:
            known = artifact
            self._leave(lambda: update_progress_artifact(known, 100.0))

    def table(self, key: str, title: str, rows: Sequence[Mapping[str, object]], description: str = "") -> None:
        """Leave a table artifact."""
        self._leave(
            lambda: create_table_artifact(
                [{name: _cell(value) for name, value in row.items()} for row in rows],
                key=artifact_key(key),
                description="\n\n".join(part for part in (f"### {plain(title)}", plain(description)) if part),
            )
        )

    def markdown(self, key: str, text: str) -> None:
        """Leave a markdown artifact. The caller has escaped all values in the text (`markdown.plain`)."""
        self._leave(lambda: create_markdown_artifact(text, key=artifact_key(key)))

    def _leave(self, make: Callable[[], Left]) -> Left | None:
        """Create an artifact and return it. If the server does not accept it, the run continues without artifacts."""
        if self._refuses_artifacts:
            return None
        try:
            return make()
        except Exception as error:
            self._refuses_artifacts = True
            self.say(f"Prefect did not accept an artifact. No more artifacts are sent: {type(error).__name__}: {error}")
            return None

    def ask(self, question: Question) -> Mapping[str, str] | None:
        """Suspend the run until people have answered."""
        return ask_people(question)

    def emit(self, event: str, edms: str, facts: Mapping[str, object]) -> None:
        """Send an event, for automations; that a server does not take it is said and fails nothing."""
        resource = {"prefect.resource.id": resource_of(edms), "prefect.resource.name": edms}
        try:
            emit_event(event, resource, payload=dict(facts))
        except Exception as error:
            self.say(f"Prefect did not accept an event: {type(error).__name__}: {error}")

    def say(self, line: str) -> None:
        """Log the line with the run."""
        note_said(printable(line))
        _log(line)


def _log(line: str) -> None:
    get_run_logger().info("%s", printable(line))


def _started_by() -> str:
    """What started this flow run, as Prefect knows it: a deployment, and who or what created the run."""
    recorded = _recorded()
    creator = recorded.created_by if recorded is not None else None
    said = f"{creator.type or ''} {creator.display_value or ''}".strip().lower() if creator is not None else ""
    deployment = runtime.deployment.name if _deployment() is not None else ""
    parts = [f"deployment {deployment}" if deployment else "", f"started by {said}" if said else ""]
    return ", ".join(["Prefect", *filter(None, parts)])


def _recorded() -> FlowRun | None:
    """The flow run as the server returned it at its start. `runtime` would ask the server each time."""
    context = FlowRunContext.get()
    return context.flow_run if context is not None else None


def _deployment() -> UUID | None:
    recorded = _recorded()
    return recorded.deployment_id if recorded is not None else None


def _let_end(running: Iterable[PrefectFuture[Any]], seconds: float | None) -> None:
    """Wait for tasks at work, so that what is cleaned up next is not in use."""
    until = None if seconds is None else time.monotonic() + seconds
    for future in running:
        future.wait(None if until is None else max(0.0, until - time.monotonic()))


def _untyped(task: Task[Any, Any]) -> Any:
    """The Prefect task without types: Prefect's types do not allow quoted arguments."""
    return task.on_prefect


def _parts(value: object, *, depth: int) -> Iterator[object]:
    """The value and its parts: the members of collections, dataclasses and models, `depth` levels down."""
    if value is None or isinstance(value, str | bytes | int | float | Path) or (isinstance(value, tuple) and not value):
        return  # equal values of these types may be the same object
    yield value
    if not depth:
        return
    inside: Iterable[object] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    elif is_dataclass(value) and not isinstance(value, type):
        inside = [getattr(value, one.name) for one in fields(value)]
    elif isinstance(value, BaseModel):
        inside = [part for _, part in value]
    for part in inside:
        yield from _parts(part, depth=depth - 1)


def _may_pass(task: prefect.Task[..., Any], run: Any, state: Any) -> bool:
    """Whether a retry can help, by the class of the error."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


def _cell(value: object) -> object:
    # A browser reads numbers as doubles, and beyond 2**53 it would show another number.
    if isinstance(value, bool | None) or (isinstance(value, int | float) and abs(value) < 2**53):
        return value
    # A cell may be rendered as Markdown: a link in a name must not become one.
    return printable(str(value).replace("](", "] ("))
