"""Prune: remove the snapshots that no rule keeps, and the objects that only they need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from edms_tasks.erasure.ledger import may_hold
from edms_tasks.errors import CommandError
from edms_tasks.lineage.find_snapshot import chosen_snapshot, this_edms_of
from edms_tasks.lineage.known_records import known_records
from edms_tasks.lineage.logged_records import logged_records, since_last_prune
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.periods import earlier, period_of
from edms_tasks.pruning.carry_out import Pruned, old_reports
from edms_tasks.pruning.carry_out import prune as carry_out
from edms_tasks.pruning.prune_plan import PrunePlan, Wishes, plan_prune
from edms_tasks.repository import Repository, Swept
from edms_tasks.repository.records import whoever_runs_this
from edms_tasks.repository.retention_rules import Rules
from edms_tasks.repository.seen_whole import SeenWhole
from edms_tasks.repository.stored_reports import RemovedReports
from edms_tasks.settings import Settings
from flows.evidence.artifacts import leave_prune
from flows.evidence.repository_log import LogFacts, logged
from flows.hooks.with_hooks import with_hooks
from flows.requests import PruneRequest
from flows.restoring.set_aside_removal import ForgottenState, forget_what_was_set_aside
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run

_RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


@dataclass(frozen=True)
class PruneResult:
    """What went or would go, and what is freed."""

    plan: PrunePlan
    rules: str
    zone: str
    done: bool  # not a dry run
    removed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    swept: Swept = field(default_factory=Swept)
    records: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    set_aside: tuple[ForgottenState, ...] = ()
    reports: RemovedReports = field(default_factory=RemovedReports)
    reports_before: datetime | None = None  # reports of runs before this are removed; None: none are

    def shortfall(self) -> Shortfall | None:
        """Always None: a prune is done as far as the store allows, or raises an error."""
        return None

    def log_facts(self) -> LogFacts | None:
        """What the repository's log says of it; None for a dry run. Which snapshots went, the records say that it names."""
        if not self.done:
            return None
        facts: dict[str, Any] = {
            "rules": self.rules,
            "removed": len(self.removed),
            "refused": len(self.refused),
            "records": list(self.records),
            "freed": self.swept.bytes,
            "set_aside": sum(one.removed for one in self.set_aside),
        }
        if self.reports_before is not None:
            facts |= {"reports_before": self.reports_before.isoformat(), "reports_removed": self.reports.removed}
        return LogFacts(True, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "dry_run": not self.done,
            "rules": self.rules,
            "timezone": self.zone,
            "snapshots": [fate.as_json() for fate in self.plan.fates],
            "given_up": [one.id for one in self.plan.given_up],
            "removed": list(self.removed),
            "refused": list(self.refused),
            "spared": list(self.spared),
            "frees": self.plan.frees,
            "unneeded": self.plan.unneeded,
            "freed": self.swept.bytes,
            "objects_removed": self.swept.objects,
            "objects_marked": self.swept.marked,
            "objects_refused": self.swept.refused,
            "reports_removed": self.reports.removed if self.done else 0,
            "reports_go": self.reports.removed if not self.done else 0,
            "reports_before": self.reports_before.isoformat() if self.reports_before is not None else None,
            "set_aside": [one.as_json() for one in self.set_aside],
            "notes": list(self.notes),
        }


@task(name="plan prune", tags=["prune"])
def make_plan(repository: Repository, this_edms: KnownEdms, wishes: Wishes) -> PrunePlan:
    """Decide about every snapshot; nothing is removed."""
    return plan_prune(repository, this_edms, wishes)


@task(name="prune", tags=["prune"], task_run_name="prune the repository")
def prune_repository(
    run: Run, repository: Repository, this_edms: KnownEdms, wishes: Wishes, reason: str, reports_before: datetime | None
) -> Pruned:
    """Decide about every snapshot under the repository's lock, and remove what goes."""
    return carry_out(
        repository,
        lambda: plan_prune(repository, this_edms, wishes),
        by=whoever_runs_this(),
        reason=reason,
        grace=period_of(run.settings.retention.grace),
        workdir=run.settings.workdir,
        reports_before=reports_before,
        tell=run.say,
    )


@flow(
    name="edms-prune",
    description="Removes the snapshots that no rule keeps, and the objects that only they need.",
    repeatable=True,
)
@with_hooks("prune")
@logged("prune")
def prune(run: Run, request: PruneRequest) -> PruneResult:
    """Remove the snapshots that no rule keeps, and the objects that only they need.

    Raises:
        CommandError: there is no rule, or a snapshot to be removed may not be.
        PruneRefused: it is not certain what may be removed; nothing was.
        RepositoryLocked: a backup or another prune is running.
    """
    _duration(request.keep_set_aside, "keep_set_aside")  # before anything is removed
    repository = Repository.open(run.settings.repository)
    wishes = _wishes(run.settings, repository, request)
    rules = describe_rules(wishes)
    this_edms = this_edms_of(run.settings, repository)
    with run.stage("prune"):
        if request.dry_run:
            plan = run.call(make_plan, repository, this_edms, wishes)
            reports_before = _reports_before(run.settings)
            going = old_reports(repository, plan, reports_before) if reports_before is not None else []
            result = PruneResult(
                plan=plan,
                rules=rules,
                zone=run.settings.retention.timezone,
                done=False,
                notes=(*plan.notes, *_erased_and_kept(repository, plan)),
                reports=RemovedReports(len(going)),
                reports_before=reports_before,
            )
        else:
            reason, reports_before = request.reason or f"keep {rules}", _reports_before(run.settings)
            pruned = run.call(prune_repository, run, repository, this_edms, wishes, reason, reports_before)
            result = PruneResult(
                plan=pruned.plan,
                rules=rules,
                zone=run.settings.retention.timezone,
                done=True,
                removed=pruned.removed,
                refused=pruned.refused,
                spared=pruned.spared,
                swept=pruned.swept,
                records=pruned.records,
                reports=pruned.reports,
                reports_before=reports_before,
                notes=(*pruned.plan.notes, *pruned.notes, *_erased_and_kept(repository, pruned.plan)),
            )
    if keep := _duration(request.keep_set_aside or run.settings.retention.keep_set_aside, "keep_set_aside"):
        with run.stage("set aside"):
            forgotten = run.call(forget_what_was_set_aside, run, keep, request.dry_run)
        result = replace(result, set_aside=forgotten.states, notes=(*result.notes, *forgotten.notes))
    leave_prune(run, result)
    return result


def _erased_and_kept(repository: Repository, plan: PrunePlan) -> tuple[str, ...]:
    """How long erased data still lives: in the snapshots that stay and were made before its erasure."""
    kept = [plan.survey.intact[fate.id] for fate in plan.fates if not fate.goes]
    times = [record.at for record in repository.records.read().erasures.values()]
    holding = [one.created for one in kept if any(may_hold(one, at) for at in times)]
    if not holding:
        return ()
    return (
        f"Erased data may still be in {len(holding):,} of the snapshots that stay, the newest of {max(holding):%Y-%m-%d %H:%M} UTC:"
        " see `edms-backup erasures`.",
    )


def describe_rules(wishes: Wishes) -> str:
    """The rules in words."""
    rules = [f"{getattr(wishes.rules, name)} {name}" for name in _RULES if getattr(wishes.rules, name)]
    if wishes.rules.within:
        rules.append(f"within {wishes.rules.within}")
    return ", ".join(rules) or "everything else"


def _wishes(settings: Settings, repository: Repository, request: PruneRequest) -> Wishes:
    """What is asked: the settings, and where the request says something else, that."""
    if request.remove and not " ".join(request.reason.split()):
        raise CommandError(
            "A snapshot is removed in spite of the rules, and no reason is given.",
            fix="Say why: `--reason TEXT`. It is recorded in the repository.",
        )
    kept = settings.retention
    logged = logged_records(repository, repository.records.read(), since_last_prune(repository))
    numbers = {
        name: getattr(kept, f"keep_{name}") if (asked := getattr(request, f"keep_{name}")) is None else asked
        for name in _RULES
    }
    within = _duration(kept.keep_within if request.keep_within is None else request.keep_within, "keep_within")
    return Wishes(
        rules=Rules(**numbers, within=within, zone=ZoneInfo(kept.timezone)),
        keep_tags=request.keep_tag or kept.keep_tags,
        every_edms=request.all_edms,
        remove=tuple(_full_id(settings, repository, name) for name in request.remove),
        known_records=(*known_records(settings.workdir, repository.place), *logged),
        damaged=SeenWhole(settings.workdir, repository.place).damaged(),
    )


def _reports_before(settings: Settings) -> datetime | None:
    kept = settings.retention.keep_reports
    return earlier(datetime.now(UTC), kept) if kept else None


def _duration(text: str | None, name: str) -> str:
    """The duration, or "" if there is none; raises CommandError if it is none such as `30d`."""
    if text:
        try:
            period_of(text)
        except ValueError as error:
            raise CommandError(f"{error}.", where=name, fix="Name a duration such as 30d.") from error
    return text or ""


def _full_id(settings: Settings, repository: Repository, name: str) -> str:
    """The id that a name means. Lost snapshots are named by their id, or its first digits."""
    found = repository.survey()
    lost = [one for one in (*found.missing, *found.damaged, *found.pruned) if len(name) >= 4 and one.startswith(name)]
    if len(lost) == 1 and not any(one.startswith(name) for one in found.intact):
        return lost[0]
    return chosen_snapshot(settings, repository, name).snapshot_id
