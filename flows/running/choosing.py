"""Where a verb runs: directly in this process, or as a Prefect flow. The composition and its result are the same.

With a Prefect API configured (PREFECT_API_URL, or the active profile) the flow's run is recorded there. Without one the
composition runs directly: starting a temporary Prefect server costs seconds that buy nothing. An API that cannot be used
never stops a backup: the composition runs directly, and the result says so.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edms_tasks.errors import TransientError
from flows.running.prefect_api import configured_api, trouble_with
from flows.running.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.merging.planning import Policy
    from edms_tasks.settings import Settings
    from flows.backing_up.conclusion import BackupResult
    from flows.diff import DiffResult
    from flows.merge import MergeResult
    from flows.restore_plan import RestorePlan
    from flows.restoring.result import RestoreResult
    from flows.running.temporary_server import TemporaryServer
    from flows.verify import VerifyResult

Result = TypeVar("Result")
prefect_is_lost = False  # see `abandon_prefect`


@dataclass(frozen=True)
class VerbRunner:
    """Where and how loudly a verb runs.

    Args:
        config: the settings file, for a flow that reads it by itself.
        settings: what it says.
        prefect: whether to run as a Prefect flow.
        console: where a direct run tells its progress; None is silence.
        server: a temporary Prefect server that is starting; None where another is configured, or none is needed.
    """

    config: Path
    settings: Settings
    prefect: bool
    console: Console | None
    server: TemporaryServer | None = None
    notes: list[str] = field(default_factory=list)  # what a person should know of where it ran

    def _as_flow(self, run: Callable[[], Result], directly: Callable[[], Result] | None) -> Result:
        """Run a flow; where Prefect fails in the middle, its result if there is one, or else the same `directly`."""
        from flows import prefect_flows

        if self.server is not None:
            self.server.wait()  # it starts while Prefect and our own libraries load
        try:
            return prefect_flows.result_of(run)
        except prefect_flows.LostApi as lost:
            abandon_prefect()
            if lost.result is not None:
                self._say(
                    f"The Prefect API was lost ({lost}). The run itself was finished; Prefect may show it as running."
                )
                result: Result = lost.result
                return result
            if directly is None:
                raise TransientError(
                    "The Prefect API was lost before the run had ended.",
                    why=str(lost),
                    fix="`edms-backup restore SNAPSHOT --dry-run` says whether anything is left half-done. Run it again with --no-flow.",
                ) from lost
            self._say(f"The Prefect API was lost ({lost}). The run was done again directly, and is not recorded there.")
            return directly()

    def _say(self, note: str) -> None:
        self.notes.append(note)
        if self.console is not None:
            self.console.print(printable(f"! {note}"), markup=False, highlight=False, soft_wrap=True)

    def backup(
        self, tag: str | None, *, create_repository: bool = False, accept_repository: bool = False
    ) -> BackupResult:
        """Make a snapshot."""
        if self.prefect:
            from flows import prefect_flows

            return self._as_flow(
                lambda: prefect_flows.backup(
                    config=str(self.config),
                    tag=tag,
                    create_repository=create_repository,
                    accept_repository=accept_repository,
                ),
                lambda: self._backup_directly(tag, create_repository, accept_repository),
            )
        return self._backup_directly(tag, create_repository, accept_repository)

    def _backup_directly(self, tag: str | None, create_repository: bool, accept_repository: bool) -> BackupResult:
        from edms_tasks.inventory.inspect import run_probe

        # The EDMS starts while our own libraries load.
        with ThreadPoolExecutor(max_workers=1) as pool:
            asked = pool.submit(run_probe, self.settings)
            from flows.backup import compose_backup
            from flows.running.threads import DirectSteps

            return compose_backup(
                self.settings,
                DirectSteps(self.console),
                tag=tag,
                ask=lambda _: asked.result(),
                create_repository=create_repository,
                accept_repository=accept_repository,
            )

    def verify(self, snapshot: str | None) -> VerifyResult:
        """Read a snapshot, or all of them, again."""
        if self.prefect:
            from flows import prefect_flows

            return self._as_flow(
                lambda: prefect_flows.verify(config=str(self.config), snapshot=snapshot),
                lambda: self._verify_directly(snapshot),
            )
        return self._verify_directly(snapshot)

    def _verify_directly(self, snapshot: str | None) -> VerifyResult:
        from flows.running.threads import DirectSteps
        from flows.verify import compose_verify

        return compose_verify(self.settings, DirectSteps(self.console), snapshot=snapshot)

    def diff(
        self, snapshot: str, other: str | None, *, models: Sequence[str], limit: int, out: Path | None
    ) -> DiffResult:
        """Say what two snapshots, or a snapshot and the live system (`other` is None), differ in."""
        if self.prefect:
            from flows import prefect_flows

            return self._as_flow(
                lambda: prefect_flows.diff(
                    config=str(self.config),
                    snapshot=snapshot,
                    other=other,
                    models=list(models),
                    limit=limit,
                    out=str(out.absolute()) if out else None,
                ),
                None,
            )
        from flows.diff import compose_diff
        from flows.running.threads import DirectSteps

        return compose_diff(
            self.settings, DirectSteps(self.console), first=snapshot, second=other, models=models, limit=limit, out=out
        )

    def merge(
        self,
        snapshot: str,
        default: Policy,
        models: Mapping[str, Policy],
        *,
        only: Sequence[str],
        with_dependents: bool,
        dry_run: bool,
        wait: bool = True,
    ) -> MergeResult:
        """Merge a snapshot, or say what that would do; whoever calls this has confirmed it."""
        if self.prefect:
            from flows import prefect_flows

            return self._as_flow(
                lambda: prefect_flows.merge(
                    config=str(self.config),
                    snapshot=snapshot,
                    on_conflict=default,
                    models=dict(models),
                    only=list(only),
                    with_dependents=with_dependents,
                    dry_run=dry_run,
                    confirm=True,
                    wait=wait,
                ),
                None,
            )
        from flows.merge import compose_merge
        from flows.merging.merge_stages import Policies
        from flows.running.threads import DirectSteps

        return compose_merge(
            self.settings,
            DirectSteps(self.console),
            snapshot=snapshot,
            policies=Policies(default, dict(models)),
            only=only,
            with_dependents=with_dependents,
            dry_run=dry_run,
            wait=wait,
        )

    def plan_restore(
        self, snapshot: str, into: str | None, into_files: Path | None, *, drop_unknown: bool = False
    ) -> RestorePlan:
        """Say what a restore would do."""
        if self.prefect:
            from flows import prefect_flows
            from flows.restoring.conversion_target import require_no_password

            require_no_password(into)
            return self._as_flow(
                lambda: prefect_flows.plan_restore(
                    config=str(self.config),
                    snapshot=snapshot,
                    into=into,
                    into_files=str(into_files) if into_files else None,
                    drop_unknown=drop_unknown,
                ),
                None,
            )
        from flows.restore_plan import compose_restore_plan
        from flows.running.threads import DirectSteps

        return compose_restore_plan(
            self.settings,
            DirectSteps(self.console),
            snapshot=snapshot,
            into=into,
            into_files=into_files,
            drop_unknown=drop_unknown,
        )

    def restore(
        self,
        snapshot: str,
        into: str | None,
        into_files: Path | None,
        *,
        salvage: bool = False,
        promote_salvaged: bool = False,
        drop_unknown: bool = False,
        wait: bool = True,
    ) -> RestoreResult:
        """Restore a snapshot; whoever calls this has confirmed it."""
        if self.prefect:
            from flows import prefect_flows
            from flows.restoring.conversion_target import require_no_password

            require_no_password(into)
            files = str(into_files) if into_files else None
            return self._as_flow(
                lambda: prefect_flows.restore(
                    config=str(self.config),
                    snapshot=snapshot,
                    into=into,
                    into_files=files,
                    confirm=True,
                    salvage=salvage,
                    promote_salvaged=promote_salvaged,
                    drop_unknown=drop_unknown,
                    wait=wait,
                ),
                None,
            )
        from flows.restore import compose_restore
        from flows.running.threads import DirectSteps

        return compose_restore(
            self.settings,
            DirectSteps(self.console),
            snapshot=snapshot,
            into=into,
            into_files=into_files,
            salvage=salvage,
            promote_salvaged=promote_salvaged,
            drop_unknown=drop_unknown,
            wait=wait,
        )


def choose_runner(config: Path, settings: Settings, *, flow: bool | None, console: Console | None) -> VerbRunner:
    """Decide where to run; `flow` is what the person said, None leaves it to the configuration.

    Where nobody asked for a flow by name, an API that cannot be used is a note, and the run is a direct one.

    Raises:
        TransientError: a flow was asked for, and the configured Prefect API cannot be used.
    """
    api = configured_api()
    prefect = flow if flow is not None else api is not None
    if prefect and api is not None and (why := trouble_with(api)):
        if flow:
            raise TransientError(
                "The Prefect API cannot be used.",
                where=api.display,
                why=why,
                fix="Start it, correct PREFECT_API_URL, or run without it: --no-flow.",
            )
        runner = VerbRunner(config=config.absolute(), settings=settings, prefect=False, console=console)
        runner._say(
            f"The Prefect API at {api.display} cannot be used ({why}) This ran directly, and is not recorded there."
        )
        return runner
    url = api.url if api is not None else None
    if prefect:
        # A server that hangs must not hold a backup up for longer than this.
        os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "30")
        os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "2")
        atexit.register(_last_words)  # the first that is registered is the last that runs
    server = None
    if prefect and url is None:
        from flows.running.temporary_server import TemporaryServer

        os.environ.setdefault("DO_NOT_TRACK", "1")
        around = [part for part in (os.environ.get("NO_PROXY"), os.environ.get("no_proxy"), "127.0.0.1") if part]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(dict.fromkeys(around))
        os.environ.setdefault("PREFECT_UI_URL", "")  # a link to a server that will be gone helps nobody
        server = TemporaryServer()
        os.environ["PREFECT_API_URL"] = server.url  # read by Prefect when it is imported
    return VerbRunner(config=config.absolute(), settings=settings, prefect=prefect, console=console, server=server)


def abandon_prefect() -> None:
    """Do not wait at the end of this process for a server that is gone: Prefect would, for minutes, event by event."""
    global prefect_is_lost
    prefect_is_lost = True


def _last_words() -> None:
    """Say no more. Prefect's threads hold on to modules until the process is gone, which DuckDB would report at length as leaks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
