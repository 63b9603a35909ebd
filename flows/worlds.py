"""Where a verb runs: directly in this process, or as a Prefect flow. The composition and its result are the same.

With a Prefect API configured (PREFECT_API_URL, or the active profile) the flow's run is recorded there. Without one the
composition runs directly: starting a temporary Prefect server costs seconds that buy nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edms_tasks.errors import TransientError

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.merging.planning import Policy
    from edms_tasks.settings import Settings
    from flows.backup import BackupResult
    from flows.diff import DiffResult
    from flows.merge import MergeResult
    from flows.restore_plan import RestorePlan
    from flows.restore_result import RestoreResult
    from flows.temporary_server import TemporaryServer
    from flows.verify import VerifyResult

_SECONDS_TO_ANSWER = 10


@dataclass(frozen=True)
class World:
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

    def _await_server(self) -> None:
        """Wait for the temporary server, which starts while Prefect and our own libraries load."""
        if self.server is not None:
            self.server.wait()

    def backup(self, tag: str | None) -> BackupResult:
        """Make a snapshot."""
        if self.prefect:
            from flows import prefect_flows

            self._await_server()
            return prefect_flows.result_of(lambda: prefect_flows.backup(config=str(self.config), tag=tag))
        from edms_tasks.inventory.inspect import run_probe

        # The EDMS starts while our own libraries load.
        with ThreadPoolExecutor(max_workers=1) as pool:
            asked = pool.submit(run_probe, self.settings)
            from flows.backup import compose_backup
            from flows.direct_steps import DirectSteps

            return compose_backup(self.settings, DirectSteps(self.console), tag=tag, ask=lambda _: asked.result())

    def verify(self, snapshot: str | None) -> VerifyResult:
        """Read a snapshot, or all of them, again."""
        if self.prefect:
            from flows import prefect_flows

            self._await_server()
            return prefect_flows.result_of(lambda: prefect_flows.verify(config=str(self.config), snapshot=snapshot))
        from flows.direct_steps import DirectSteps
        from flows.verify import compose_verify

        return compose_verify(self.settings, DirectSteps(self.console), snapshot=snapshot)

    def diff(
        self, snapshot: str, other: str | None, *, models: Sequence[str], limit: int, out: Path | None
    ) -> DiffResult:
        """Say what two snapshots, or a snapshot and the live system (`other` is None), differ in."""
        if self.prefect:
            from flows import prefect_flows

            self._await_server()
            return prefect_flows.diff(
                config=str(self.config),
                snapshot=snapshot,
                other=other,
                models=list(models),
                limit=limit,
                out=str(out.absolute()) if out else None,
            )
        from flows.diff import compose_diff
        from flows.direct_steps import DirectSteps

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
    ) -> MergeResult:
        """Merge a snapshot, or say what that would do; whoever calls this has confirmed it."""
        if self.prefect:
            from flows import prefect_flows

            self._await_server()
            return prefect_flows.result_of(
                lambda: prefect_flows.merge(
                    config=str(self.config),
                    snapshot=snapshot,
                    on_conflict=default,
                    models=dict(models),
                    only=list(only),
                    with_dependents=with_dependents,
                    dry_run=dry_run,
                    confirm=True,
                )
            )
        from flows.direct_steps import DirectSteps
        from flows.merge import compose_merge
        from flows.merge_work import Policies

        return compose_merge(
            self.settings,
            DirectSteps(self.console),
            snapshot=snapshot,
            policies=Policies(default, dict(models)),
            only=only,
            with_dependents=with_dependents,
            dry_run=dry_run,
        )

    def plan_restore(
        self, snapshot: str, into: str | None, into_files: Path | None, *, drop_unknown: bool = False
    ) -> RestorePlan:
        """Say what a restore would do."""
        if self.prefect:
            from flows import prefect_flows
            from flows.other_database import require_no_password

            self._await_server()
            require_no_password(into)
            return prefect_flows.plan_restore(
                config=str(self.config),
                snapshot=snapshot,
                into=into,
                into_files=str(into_files) if into_files else None,
                drop_unknown=drop_unknown,
            )
        from flows.direct_steps import DirectSteps
        from flows.restore_plan import compose_restore_plan

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
    ) -> RestoreResult:
        """Restore a snapshot; whoever calls this has confirmed it."""
        if self.prefect:
            from flows import prefect_flows
            from flows.other_database import require_no_password

            self._await_server()
            require_no_password(into)
            files = str(into_files) if into_files else None
            return prefect_flows.result_of(
                lambda: prefect_flows.restore(
                    config=str(self.config),
                    snapshot=snapshot,
                    into=into,
                    into_files=files,
                    confirm=True,
                    salvage=salvage,
                    promote_salvaged=promote_salvaged,
                    drop_unknown=drop_unknown,
                )
            )
        from flows.direct_steps import DirectSteps
        from flows.restore import compose_restore

        return compose_restore(
            self.settings,
            DirectSteps(self.console),
            snapshot=snapshot,
            into=into,
            into_files=into_files,
            salvage=salvage,
            promote_salvaged=promote_salvaged,
            drop_unknown=drop_unknown,
        )


def choose_world(config: Path, settings: Settings, *, flow: bool | None, console: Console | None) -> World:
    """Decide where to run; `flow` is what the person said, None leaves it to the configuration.

    Raises:
        TransientError: the configured Prefect API does not answer.
    """
    url = prefect_api_url(os.environ)
    prefect = flow if flow is not None else url is not None
    if prefect and url is not None:
        _require_answer(url)
    if prefect:
        atexit.register(_last_words)  # the first that is registered is the last that runs
    server = None
    if prefect and url is None:
        from flows.temporary_server import TemporaryServer

        os.environ.setdefault("DO_NOT_TRACK", "1")
        around = [part for part in (os.environ.get("NO_PROXY"), os.environ.get("no_proxy"), "127.0.0.1") if part]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(dict.fromkeys(around))
        os.environ.setdefault("PREFECT_UI_URL", "")  # a link to a server that will be gone helps nobody
        server = TemporaryServer()
        os.environ["PREFECT_API_URL"] = server.url  # read by Prefect when it is imported
    return World(config=config.absolute(), settings=settings, prefect=prefect, console=console, server=server)


def _last_words() -> None:
    """Say no more. Prefect's threads hold on to modules until the process is gone, which DuckDB would report at length as leaks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def prefect_api_url(environ: Mapping[str, str]) -> str | None:
    """The Prefect API that is configured, found without importing Prefect, which takes a second."""
    if url := environ.get("PREFECT_API_URL"):
        return url
    home = Path(environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    try:
        written = tomllib.loads(profiles.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no profiles, or none that Prefect could read either
    name = environ.get("PREFECT_PROFILE") or written.get("active")
    profile = written.get("profiles", {}).get(name, {})
    return str(profile["PREFECT_API_URL"]) if profile.get("PREFECT_API_URL") else None


def _require_answer(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise _no_answer(url, "It is no http or https address.")
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=_SECONDS_TO_ANSWER).close()  # noqa: S310
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets us in is between it and Prefect
    except (OSError, ValueError) as error:
        raise _no_answer(url, str(error)) from error


def _no_answer(url: str, why: str) -> TransientError:
    return TransientError(
        "The Prefect API does not answer.",
        where=url.rsplit("@", 1)[-1],
        why=why,
        cure="Start it, mend PREFECT_API_URL, or run without it: --no-flow.",
    )
