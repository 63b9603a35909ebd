"""A run that is killed leaves no entry in the log: the next run on this machine adds it, once, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.settings import Settings, settings_from
from edms_tasks.signal_settings import NotifySettings
from flows.evidence.killed_runs import note_killed_runs, owing_an_entry
from flows.requests import BackupRequest, VerifyRequest
from flows.running.run import Run, ask_now
from flows.running.said_lines import as_facts, begin_to_note
from flows.verify import verify
from tests.backed_up import BackedUpSystems
from tests.evidence.telling import telling
from tests.evidence.test_signals import WebServer, web
from tests.killed_run import kill
from tests.running import Protected, run_backup

__all__ = ["web"]
pytestmark = pytest.mark.usefixtures("edms_asked_once")


def entries(protected: Protected) -> list[LogEntry]:
    return list(Repository.open(protected.settings.repository).log.backwards())[::-1]


def unfinished(settings: Settings) -> list[Path]:
    return list((settings.workdir / "unfinished").glob("*.json"))


@pytest.mark.long
@pytest.mark.slow
def test_a_restore_killed_between_its_swap_and_its_report_is_in_the_log_after_the_next_run(
    backed_up: BackedUpSystems,
) -> None:
    system = backed_up("sqlite", extra="[validate]\ndjango_check = false")
    protected = system.protected
    before = len(entries(protected))
    kill("restore", protected.config, "after promote the validated copy", ask_now(protected.settings))
    assert len(entries(protected)) == before

    verify.fn(Run(protected.settings), VerifyRequest())
    verify.fn(Run(protected.settings), VerifyRequest())

    restored, *verified = entries(protected)[before:]
    assert (restored.event, restored.outcome, restored.snapshot) == ("restore", "success", system.first.snapshot_id)
    assert {name: restored.facts[name] for name in ("verdict", "promoted", "killed", "asked_for")} == {
        "verdict": "proved",
        "promoted": True,
        "killed": True,
        "asked_for": "latest",
    }
    assert [one.event for one in verified] == ["verify", "verify"]
    assert not unfinished(protected.settings)


@pytest.mark.long
@pytest.mark.slow
def test_a_promotion_cut_short_is_in_the_log_once_it_is_finished_and_not_before(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite", extra="[validate]\ndjango_check = false").protected
    before = len(entries(protected))
    kill("restore", protected.config, "after swap", ask_now(protected.settings))

    verify.fn(Run(protected.settings), VerifyRequest())
    protected.rollback()

    told = [(one.event, one.outcome, one.facts.get("killed", False)) for one in entries(protected)[before:]]
    assert told == [("verify", "success", False), ("restore", "success", True), ("rollback", "success", False)]


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_backup_is_in_the_log_before_the_next_one(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite").protected
    before = len(entries(protected))
    kill("backup", protected.config, "extract", ask_now(protected.settings))

    protected.backup()

    killed, made = entries(protected)[before:]
    assert (killed.event, killed.outcome) == ("backup", "stopped")
    assert "was killed before its end" in killed.facts["what"]
    assert (made.event, made.outcome) == ("backup", "success")


def test_a_run_at_work_is_not_taken_for_a_killed_one(tmp_path: Path) -> None:
    run = Run(settings_from({"repository": {"url": "repository"}}, where=tmp_path / "edms-backup.toml"))

    with owing_an_entry(run, "backup", BackupRequest()):
        note_killed_runs(run)
        at_work = unfinished(run.settings)

    assert len(at_work) == 1
    assert not unfinished(run.settings)


def test_what_cannot_be_noted_yet_is_said_and_noted_later(tmp_path: Path) -> None:
    run = Run(settings_from({"repository": {"url": "repository"}}, where=tmp_path / "edms-backup.toml"))
    with owing_an_entry(run, "backup", BackupRequest()):
        text = unfinished(run.settings)[0].read_text()
    owed = run.settings.workdir / "unfinished" / "killed.json"
    owed.write_text(text)
    elsewhere = run.settings.workdir / "unfinished" / "another.json"
    elsewhere.write_text(json.dumps(json.loads(text) | {"repository": "/another"}))

    begin_to_note()
    note_killed_runs(run)
    assert "not in the log yet" in as_facts()["said"][0]
    Repository.create(run.settings.repository)
    note_killed_runs(run)

    assert next(iter(Repository.open(run.settings.repository).log.backwards())).event == "backup"
    assert unfinished(run.settings) == [elsewhere]


def killed_backup(run: Run) -> Path:
    """What a backup leaves that is killed at work."""
    with owing_an_entry(run, "backup", BackupRequest()):
        text = unfinished(run.settings)[0].read_text()
    left = run.settings.workdir / "unfinished" / "killed.json"
    left.write_text(text)
    return left


def test_people_are_told_of_a_killed_run_by_the_next_one_and_once(tmp_path: Path, web: WebServer) -> None:
    settings = settings_from(
        {"repository": {"url": "repository"}, "metrics": {"file": "edms.prom"}}, where=tmp_path / "edms-backup.toml"
    )
    notify = {"webhook": f"{web.url}/hook", "ping": {"backup": f"{web.url}/ping", "verify": f"{web.url}/other"}}
    run = Run(settings.model_copy(update={"notify": NotifySettings.model_validate(notify)}))
    Repository.create(settings.repository)
    left = killed_backup(run)
    text = left.read_text()

    note_killed_runs(run)
    left.write_text(text)  # as if the run that told of it had been killed before it removed this
    note_killed_runs(run)

    told = {path: body for _, path, _, body in web.asked}
    assert sorted(path for _, path, _, _ in web.asked) == ["/hook", "/ping/fail"]
    signal = json.loads(told["/hook"])
    assert (signal["verb"], signal["level"], signal["verdict"], signal["run"]) == (
        "backup",
        "failure",
        "KILLED",
        run.origin.run,
    )
    assert "was killed before its end" in signal["text"]
    (entry,) = Repository.open(settings.repository).log.backwards()
    assert signal["log_entry"] == entry.number
    assert 'edms_backup_run_last_success{edms="",verb="backup"} 0' in (tmp_path / "edms.prom").read_text()


def test_who_was_not_reached_is_told_by_a_later_run(tmp_path: Path, web: WebServer) -> None:
    settings = settings_from({"repository": {"url": "repository"}}, where=tmp_path / "edms-backup.toml")
    notify = NotifySettings.model_validate({"webhook": f"{web.url}/hook"})
    run = Run(settings.model_copy(update={"notify": notify}))
    Repository.create(settings.repository)
    left = killed_backup(run)
    web.status = 503

    note_killed_runs(run)
    assert left.exists()
    web.status = 200
    asked = len(web.asked)
    note_killed_runs(run)
    note_killed_runs(run)

    assert not left.exists()
    assert len(web.asked) == asked + 1
    assert len(list(Repository.open(settings.repository).log.backwards())) == 1


@pytest.mark.long
@pytest.mark.slow
def test_the_alarm_of_a_killed_backup_comes_before_the_next_one_is_made(
    backed_up: BackedUpSystems, web: WebServer
) -> None:
    protected = backed_up("sqlite").protected
    kill("backup", protected.config, "extract", ask_now(protected.settings))
    settings = telling(protected, ping={"backup": f"{web.url}/ping"}, webhook=f"{web.url}/hook")

    run_backup(settings)

    paths = [path for _, path, _, _ in web.asked]
    assert set(paths[:2]) == {"/hook", "/ping/fail"}
    assert paths[2:4] == ["/ping/start", "/ping"]
