"""Run a verb as a Prefect flow and return its result, also if its checks failed or Prefect fails during the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, cast

from prefect.exceptions import ParameterBindError, ParameterTypeError

from edms_tasks.errors import CommandError, EdmsBackupError
from flows.running import on_prefect
from flows.running.field_descriptions import as_parameters
from flows.running.flow_decorators import ChecksFailed, FlowResult, Verb
from flows.running.prefect_logging import shorten_known_errors
from flows.running.printable import printable

Request = TypeVar("Request")
Result = TypeVar("Result", bound=FlowResult)

_PREFECTS_OWN = ("prefect", "httpx", "httpcore", "h11", "h2", "websockets", "anyio", "ssl")

shorten_known_errors()


class LostApi(Exception):
    """Prefect failed during a run. `result` is the flow's result if it had already returned one."""

    def __init__(self, error: Exception, result: Any) -> None:
        super().__init__(f"{type(error).__name__}: {error}".splitlines()[0][:300])
        self.result = result


def result_of(verb: Verb[Request, Result], config: Path, request: Request) -> Result:
    """Call a verb's flow and return its result, also if the run failed its checks.

    Raises:
        LostApi: Prefect failed; it has the result if the work was done nevertheless.
        CommandError: Prefect refuses a parameter.
    """
    on_prefect.ended.clear()
    verb.may_be_recorded(request)
    try:
        return cast("Result", verb.on_prefect(config=str(config), **as_parameters(request)))
    except EdmsBackupError as error:
        return cast("Result", _result_or_raise(error))
    except (ParameterTypeError, ParameterBindError) as error:
        raise CommandError("A parameter is not valid.", why=printable(error), fix="See edms-backup --help.") from error
    except Exception as error:
        if known := _known_behind(error):  # it was to be recorded, which failed as well
            return cast("Result", _result_or_raise(known))
        if not _is_prefects(error):
            raise
        raise LostApi(error, on_prefect.ended[-1] if on_prefect.ended else None) from error


def _result_or_raise(error: EdmsBackupError) -> Any:
    if isinstance(error, ChecksFailed):
        return error.result
    raise error


def _is_prefects(error: BaseException) -> bool:
    """Whether Prefect or its connection to the API failed: by the exception's class, or by the module that raised it."""
    raised_in = ""
    trace = error.__traceback__
    while trace is not None:
        raised_in, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return bool({type(error).__module__.partition(".")[0], raised_in.partition(".")[0]} & set(_PREFECTS_OWN))


def _known_behind(error: BaseException) -> EdmsBackupError | None:
    behind: BaseException | None = error
    for _ in range(20):
        if behind is None or isinstance(behind, EdmsBackupError):
            return behind
        behind = behind.__cause__ or behind.__context__
    return None
