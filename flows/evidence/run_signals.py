"""Tell how a run went: signals and metrics, at one place for all verbs. Nothing here fails a run, or makes it wait for long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from edms_tasks.errors import EdmsBackupError
from edms_tasks.signal_settings import Level
from edms_tasks.signalling.metrics import Gauge, update_metrics
from edms_tasks.signalling.sending import PEOPLE, Send, send_all, start_of, ways
from edms_tasks.signalling.signal import Signal
from edms_tasks.signalling.told_runs import note_told, was_told
from edms_tasks.signalling.unsent import note_sent
from flows.running.printable import printable
from flows.running.run import Run

_PROOFS = ("restore", "drill")


def tell_start(run: Run, verb: str) -> None:
    """Tell a healthchecks service that a run of the verb begins, if the settings want it."""
    _send(run, start_of(run.settings.notify, verb))


def tell_end(
    run: Run, report: Mapping[str, Any], said: Mapping[str, Any], entry: int | None, problem: str, seconds: float
) -> None:
    """Tell how a run ended, by its report, and write the metrics.

    Args:
        run: the run.
        report: its report.
        said: what the log says of it.
        entry: the number of its entry; None if it has none.
        problem: why its evidence is missing although it should be there; "" if it is not.
        seconds: how long it took.
    """
    change = report.get("findings_change") or {}
    new = [one for one in (*change.get("new", ()), *_more(change)) if one["severity"] != "info"]
    failed = report["outcome"] != "success" or problem
    level: Level = "failure" if failed else "warning" if new else "success"
    ended = datetime.fromisoformat(report["run"]["ended"])
    signal = Signal(
        verb=str(report["event"]),
        level=level,
        at=ended,
        seconds=seconds,
        edms=str(report.get("edms") or run.settings.edms.id or ""),
        host=run.origin.host,
        run=run.origin.run,
        verdict=printable(report["verdict"]),
        what=printable((report.get("error") or {}).get("what", "") or problem),
        snapshot=str(report.get("snapshot") or ""),
        entry=entry,
        new_findings=len(new),
    )
    run.runner.emit(f"edms-backup.{signal.verb}.{signal.level}", signal.edms, signal.as_json())
    failures = _send(run, ways(run.settings.notify, signal))
    _measure(run, signal, report, said, failures)


def tell_refused(run: Run, verb: str, error: EdmsBackupError) -> None:
    """Tell that a run was refused, or that something around it failed, of which there is no report."""
    signal = Signal(
        verb=verb,
        level="failure",
        at=datetime.now(UTC),
        seconds=0.0,
        edms=run.settings.edms.id or "",
        host=run.origin.host,
        run=run.origin.run,
        verdict="FAILED",
        what=printable(error.what),
    )
    failures = _send(run, ways(run.settings.notify, signal))
    _measure(run, signal, {}, {}, failures)


def tell_killed(run: Run, killed: Signal) -> bool:
    """Tell of a run that was killed, and could not tell of itself; people are told once. Returns False if somebody was not reached."""
    if was_told(run.settings.workdir, killed.run):
        return True
    run.runner.emit(f"edms-backup.{killed.verb}.{killed.level}", killed.edms, killed.as_json())
    failures = _send(run, ways(run.settings.notify, killed), told_of=killed.run)
    _measure(run, killed, {}, {}, failures)
    return not any(why for name, why in failures.items() if name in PEOPLE)


def _more(change: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in change.get("changed", ()) if one["count"] > one["count_before"]]


def _send(run: Run, sends: Mapping[str, Send], told_of: str = "") -> dict[str, str]:
    """Send signals, of this run or of another one; says, notes and returns for each way why it failed, "" if it did not."""
    if not sends:
        return {}
    results = send_all(sends, run.settings.notify.timeout)
    for name, why in results.items():
        if why:
            run.say(f"! A signal could not be sent ({name}): {why}")
    people = [why for name, why in results.items() if name in PEOPLE]
    try:
        note_sent(run.settings.workdir, results)
        if people and not any(people):
            note_told(run.settings.workdir, told_of or run.origin.run)
    except OSError as error:
        run.say(f"! It could not be noted which signals were sent: {error.filename}: {error.strerror}")
    return results


def _measure(
    run: Run, signal: Signal, report: Mapping[str, Any], said: Mapping[str, Any], failures: Mapping[str, str]
) -> None:
    file = run.settings.metrics.file
    if file is None:
        return
    found = [*_of_the_run(signal, report), *_of_the_snapshot(run, signal, said)]
    found += [Gauge("edms_backup_signal_failed", float(bool(why)), (("way", name),)) for name, why in failures.items()]
    findings = ("error", "warning", "info")
    stale = frozenset(
        Gauge("edms_backup_run_last_findings", 0, (("verb", signal.verb), ("severity", one))).key for one in findings
    )
    try:
        update_metrics(file, run.settings.workdir, signal.edms, {one.key: one for one in found}, stale)
    except OSError as error:
        run.say(f"! The metrics could not be written: {error.filename or file}: {error.strerror or error}")


def _of_the_run(signal: Signal, report: Mapping[str, Any]) -> list[Gauge]:
    verb, name = (("verb", signal.verb),), "edms_backup_run_last"
    good = signal.level != "failure"
    found = [
        Gauge(f"{name}_timestamp_seconds", signal.at.timestamp(), verb),
        Gauge(f"{name}_success", float(good), verb),
        Gauge(f"{name}_duration_seconds", signal.seconds, verb),
        Gauge(f"{name}_new_findings", signal.new_findings, verb),
    ]
    if good:
        found.append(Gauge(f"{name}_success_timestamp_seconds", signal.at.timestamp(), verb))
    findings = report.get("findings") or ()
    for severity in ("error", "warning", "info"):
        number = sum(one["severity"] == severity for one in findings)
        found.append(Gauge(f"{name}_findings", number, (*verb, ("severity", severity))))
    return found


def _of_the_snapshot(run: Run, signal: Signal, said: Mapping[str, Any]) -> list[Gauge]:
    made = run.evidence.snapshot_made
    if made is None:
        return []
    if signal.verb == "backup":
        sizes = {name: said.get(name) for name in ("rows", "files", "stored_bytes")}
        return [
            Gauge("edms_backup_snapshot_timestamp_seconds", made.timestamp()),
            *(Gauge(f"edms_backup_snapshot_{name}", float(size)) for name, size in sizes.items() if size is not None),
        ]
    if signal.verb in _PROOFS and said.get("verdict") == "proved":
        return [
            Gauge("edms_backup_proof_timestamp_seconds", signal.at.timestamp()),
            Gauge("edms_backup_proved_snapshot_timestamp_seconds", made.timestamp()),
        ]
    return []
