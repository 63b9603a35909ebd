"""The flows as Prefect sees them: described, validated parameters in front of the compositions the command line runs.

    prefect deploy --prefect-file deployments/prefect.yaml --all

A run whose result is not proved fails, so that schedules and automations notice. Parameters are recorded by the server
and hold no secrets: the settings file and the environment of the worker do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast

from prefect import flow, runtime
from prefect.exceptions import ParameterBindError, ParameterTypeError
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from edms_tasks.errors import AlreadyPromoted, CheckFailed, CommandError, EdmsBackupError
from edms_tasks.merging.planning import Policy
from edms_tasks.settings import load_settings
from flows.backing_up.conclusion import BackupResult
from flows.backup import compose_backup
from flows.diff import DiffResult, compose_diff
from flows.merge import MergeResult, compose_merge
from flows.merging.merge_stages import Policies
from flows.restore import compose_restore
from flows.restore_plan import RestorePlan, compose_restore_plan
from flows.restoring.conversion_target import require_no_password
from flows.restoring.result import RestoreResult
from flows.running.on_prefect import PrefectSteps
from flows.running.prefect_logging import quieten_known_errors
from flows.running.printable import printable
from flows.verify import VerifyResult, compose_verify

Result = TypeVar("Result")

# The default runner has no bound. Each step's own `jobs` is the real one; this is the largest the settings allow.
_RUNNER: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=64)

# What the form checks. What it says of each parameter, Prefect reads from the docstrings.
Config = Annotated[str, Field(min_length=1, examples=["/etc/edms-backup/edms-backup.toml"])]
Name = Annotated[str, Field(min_length=1, max_length=4096)]

quieten_known_errors()
_ended: list[Any] = []  # what compositions returned whose flow has not ended yet


def _backup_name() -> str:
    return f"backup {runtime.flow_run.parameters.get('tag') or ''}".strip()


@flow(
    name="edms-backup",
    flow_run_name=_backup_name,
    description="Makes a snapshot of the EDMS and reads it back.",
    task_runner=_RUNNER,
    persist_result=False,
)
def backup(
    config: Config = "edms-backup.toml",
    tag: Name | None = None,
    create_repository: bool = False,
    accept_repository: bool = False,
) -> BackupResult:
    """Make a snapshot; fails where it could not be verified.

    Args:
        config: Path of the settings file, edms-backup.toml, on the worker's machine.
        tag: A name for this snapshot, e.g. before-upgrade.
        create_repository: Make a repository where there is none, though one was used before.
        accept_repository: Go on with the repository there is, though it is another one or an older copy.
    """
    result = _ending(
        compose_backup(
            load_settings(Path(config)),
            PrefectSteps(),
            tag=tag,
            create_repository=create_repository,
            accept_repository=accept_repository,
        )
    )
    if not result.verified:
        raise NotProved("The snapshot was written and does not verify.", result, result.problems)
    return result


@flow(
    name="edms-verify",
    description="Reads every object of one snapshot, or of all, and compares hashes, rows and digests.",
    task_runner=_RUNNER,
    persist_result=False,
)
def verify(config: Config = "edms-backup.toml", snapshot: Name | None = None) -> VerifyResult:
    """Verify one snapshot or all of them; fails where something is damaged.

    Args:
        config: Path of the settings file, edms-backup.toml, on the worker's machine.
        snapshot: `latest`, an id or its first digits, or a tag. Empty: every snapshot.
    """
    result = _ending(compose_verify(load_settings(Path(config)), PrefectSteps(), snapshot=snapshot))
    if not result.success:
        raise NotProved("The repository does not verify.", result, result.problems or ("There is no snapshot.",))
    return result


@flow(
    name="edms-restore",
    flow_run_name="restore {snapshot}",
    description="Builds a staging database from a snapshot, validates it and, only if it is proved equal, promotes it.",
    task_runner=_RUNNER,
    persist_result=False,
)
def restore(
    config: Config = "edms-backup.toml",
    snapshot: Name = "latest",
    into: Name | None = None,
    into_files: Name | None = None,
    confirm: bool = False,
    salvage: bool = False,
    promote_salvaged: bool = False,
    drop_unknown: bool = False,
    wait: bool = True,
) -> RestoreResult:
    """Restore a snapshot; fails, with the EDMS untouched, where the restored data is not proved equal.

    Args:
        config: Path of the settings file, edms-backup.toml, on the worker's machine.
        snapshot: `latest`, an id or its first digits, or a tag.
        into: Leave the restored data as a database of this name (SQLite: a file), and the EDMS's own alone. As a URL, without
            password: a database of the other engine.
        into_files: With `into`, the folder for the restored files.
        confirm: Must be on to replace the EDMS's database and files. The present ones are kept for a rollback. It counts once: the
            same run, started again after it has promoted, ends and does nothing.
        salvage: Bring back what is provably intact where the repository is damaged. The run fails all the same.
        promote_salvaged: With `salvage` and without `into`: replace the EDMS's database and files with what is left.
        drop_unknown: Of a snapshot newer than the EDMS's code, drop the tables and columns that the code does not know.
        wait: Wait for a running backup before the swap. Off: refuse where one is running.
    """
    require_no_password(into)
    if into is None and not confirm:
        raise CommandError(
            "This restore would replace the EDMS's database and files, and was not confirmed.",
            where=f"snapshot {snapshot}",
            fix="Turn `Confirm` on, or name a database in `Into`.",
        )
    try:
        restored = compose_restore(
            load_settings(Path(config)),
            PrefectSteps(),
            snapshot=snapshot,
            into=into,
            into_files=Path(into_files) if into_files else None,
            salvage=salvage,
            promote_salvaged=promote_salvaged,
            drop_unknown=drop_unknown,
            wait=wait,
            confirmation=str(runtime.flow_run.id or ""),
        )
    except AlreadyPromoted as done:
        # "Retry" in Prefect runs a completed run again, with the same parameters: it ended well, and stays so.
        return cast("RestoreResult", Completed(message=f"{done.what} {done.fix}"))
    result = _ending(restored)
    if result.losses is not None and result.verdict == "salvaged":
        raise NotProved("The snapshot is damaged: a part of it came back.", result, result.losses.sentences())
    if not result.success:
        raise NotProved("The restored data is not what the snapshot says.", result, result.failures)
    return result


@flow(
    name="edms-restore-plan",
    flow_run_name="plan to restore {snapshot}",
    description="Says what a restore would do to the EDMS, and what stands in its way. Writes nothing.",
    task_runner=_RUNNER,
    persist_result=False,
)
def plan_restore(
    config: Config = "edms-backup.toml",
    snapshot: Name = "latest",
    into: Name | None = None,
    into_files: Name | None = None,
    drop_unknown: bool = False,
) -> RestorePlan:
    """Say what a restore would do; fails where something would stop it.

    Args:
        config: Path of the settings file, edms-backup.toml, on the worker's machine.
        snapshot: `latest`, an id or its first digits, or a tag.
        into: As in the restore: a database of this name, and the EDMS's own left alone.
        into_files: With `into`, the folder for the restored files.
        drop_unknown: Of a snapshot newer than the EDMS's code, drop the tables and columns that the code does not know.
    """
    require_no_password(into)
    return _ending(
        compose_restore_plan(
            load_settings(Path(config)),
            PrefectSteps(),
            snapshot=snapshot,
            into=into,
            into_files=Path(into_files) if into_files else None,
            drop_unknown=drop_unknown,
        )
    )


@flow(
    name="edms-merge",
    flow_run_name="merge {snapshot}",
    description="Merges a snapshot into the EDMS's database: rows are matched by natural key, what only it has stays.",
    task_runner=_RUNNER,
    persist_result=False,
)
def merge(
    config: Config = "edms-backup.toml",
    snapshot: Name = "latest",
    on_conflict: Policy = "overwrite",
    models: dict[str, Policy] | None = None,
    only: list[str] | None = None,
    with_dependents: bool = False,
    dry_run: bool = True,
    confirm: bool = False,
    wait: bool = True,
) -> MergeResult:
    """Merge a snapshot, or say what that would do; fails, with the EDMS untouched, where something stands in the way.

    Args:
        config: Path of the settings file, edms-backup.toml, on the worker's machine.
        snapshot: `latest`, an id or its first digits, or a tag.
        on_conflict: What becomes of rows that are in both and differ: overwrite, keep or fail.
        models: The same for single models, e.g. documents.Document: keep.
        only: Objects such as documents.Document:SOP-0001, which come with what they refer to. Empty: everything.
        with_dependents: With `only`: what cannot be without these objects comes too.
        dry_run: Only say what would be done.
        confirm: Must be on to write to the EDMS's database and files. A safety snapshot is made first.
        wait: Wait for a running backup. Off: refuse where one is running.
    """
    if not dry_run and not confirm:
        raise CommandError(
            "This merge would write to the EDMS's database, and was not confirmed.",
            where=f"snapshot {snapshot}",
            fix="Turn `Confirm` on, or leave `Dry run` on.",
        )
    result = _ending(
        compose_merge(
            load_settings(Path(config)),
            PrefectSteps(),
            snapshot=snapshot,
            policies=Policies(on_conflict, models or {}),
            only=only or (),
            with_dependents=with_dependents,
            dry_run=dry_run,
            wait=wait,
        )
    )
    if not result.success:
        conflicts = tuple(f"{conflict.model}: {conflict.message}" for conflict in result.plan.conflicts)
        raise NotProved("The snapshot cannot be merged as it is; nothing was changed.", result, conflicts)
    return result


@flow(
    name="edms-diff",
    flow_run_name="diff {snapshot}",
    description="Says what two snapshots, or a snapshot and the live system, differ in, by natural key.",
    task_runner=_RUNNER,
    persist_result=False,
)
def diff(
    config: Config = "edms-backup.toml",
    snapshot: Name = "latest",
    other: Name | None = None,
    models: list[str] | None = None,
    limit: int = 5,
    out: Name | None = None,
) -> DiffResult:
    """Compare two states of the EDMS; a difference is a result, not a failure.

    Args:
        config: Path of the settings file, edms-backup.toml, on the worker's machine.
        snapshot: `latest`, an id or its first digits, or a tag.
        other: What to compare it with: another snapshot, or `live`. Empty: the live system.
        models: Only these models, and no files. Empty: everything.
        limit: How many rows and paths of each kind come with the result, for each model and folder.
        out: A new folder for lists of all that differs.
    """
    return _ending(
        compose_diff(
            load_settings(Path(config)),
            PrefectSteps(),
            first=snapshot,
            second=other,
            models=models or (),
            limit=limit,
            out=Path(out) if out else None,
        )
    )


def _ending(result: Result) -> Result:
    """Remember what was done, before Prefect is told."""
    _ended.append(result)
    return result


class NotProved(CheckFailed, Generic[Result]):
    """A check failed; `result` holds what the composition returned, for callers in this process."""

    def __init__(self, what: str, result: Result, problems: tuple[str, ...]) -> None:
        super().__init__(what, why=printable("; ".join(problems[:5])), fix="See the artifacts of this run.")
        self.result = result


def result_of(call: Callable[[], Result]) -> Result:
    """Call a flow for its result, proved or not: a run that failed its checks has one too.

    Raises:
        LostApi: Prefect failed; it holds the result, where the work was done all the same.
        CommandError: Prefect refuses a parameter.
    """
    _ended.clear()
    try:
        return call()
    except EdmsBackupError as error:
        return cast(Result, _result_or_raise(error))
    except (ParameterTypeError, ParameterBindError) as error:
        raise CommandError("A parameter is not valid.", why=printable(error), fix="See edms-backup --help.") from error
    except Exception as error:
        if known := _known_behind(error):  # it was to be recorded, which failed as well
            return cast(Result, _result_or_raise(known))
        if not _is_prefects(error):
            raise
        raise LostApi(error, _ended[-1] if _ended else None) from error


_PREFECTS_OWN = ("prefect", "httpx", "httpcore", "h11", "h2", "websockets", "anyio", "ssl")


class LostApi(Exception):
    """Prefect failed in the middle of a run. `result` is what the composition returned before, if it did."""

    def __init__(self, error: Exception, result: Any) -> None:
        super().__init__(f"{type(error).__name__}: {error}".splitlines()[0][:300])
        self.result = result


def _result_or_raise(error: EdmsBackupError) -> Any:
    if isinstance(error, NotProved):
        return error.result
    raise error


def _is_prefects(error: BaseException) -> bool:
    """Whether Prefect or its way to the API failed: by the exception's class, or by where it was raised."""
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
