"""Every run leaves a report in the repository, which its entry in the log names by hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import DamagedRepository, EvidenceNotWritten, HookFailedAfterwards, NoSpace, RepositorySealed
from edms_tasks.hook_settings import HooksSettings
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.stored_reports import report_of
from flows import keys
from flows.audit_trail import read_audit_trail
from flows.auditing.bundle import bundle_evidence
from flows.cli.app import app
from flows.copy import copy
from flows.prune import prune
from flows.requests import CopyRequest, PruneRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect, run_backup, run_verify

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@pytest.fixture
def protected(backed_up: BackedUpSystems) -> Protected:
    return backed_up("sqlite").protected


def entries(protected: Protected) -> list[LogEntry]:
    return list(Repository.open(protected.settings.repository).log.check().entries)


def report(protected: Protected, entry: LogEntry) -> tuple[dict[str, Any], str]:
    """The report of an entry, read from the files of an unencrypted repository without our code."""
    said = entry.facts["report"]
    parts = []
    for part in ("json", "page"):
        name = said[part]["sha256"]
        data = (protected.repository / "reports" / name[:2] / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (name, said[part]["size"])
        parts.append(data)
    found = json.loads(parts[0])
    assert found["page"]["sha256"] == said["page"]["sha256"]
    return found, parts[1].decode()


def test_a_backup_leaves_who_why_when_and_what(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jane")
    result = run_backup(protected.settings, reason="CHG-1042: before\nthe upgrade")

    last = entries(protected)[-1]
    found, page = report(protected, last)

    assert (last.event, last.outcome, last.facts["reason"]) == ("backup", "success", "CHG-1042: before the upgrade")
    assert result.witness is not None
    assert result.witness.number == last.number
    assert found["run"]["id"] == last.facts["run"]
    assert "sudo: jane" in found["run"]["by"]
    assert found["run"]["started"] <= found["run"]["ended"]
    assert "host clock" in found["run"]["time_source"]
    assert found["verdict"] == "Backed up"
    assert found["snapshot"] == result.snapshot_id
    models = {row["model"]: row["rows"] for row in found["tables"][0]["rows"]}
    assert models == {entry.table.label: entry.state.rows for entry in result.manifest.tables}
    assert found["versions"]["Django of the EDMS"] == result.manifest.edms.django
    for told in ("CHG-1042: before the upgrade", "Backed up", found["run"]["id"], "documents.Document", "jane"):
        assert told in page


@pytest.mark.long
def test_a_report_says_which_findings_came_and_went(protected: Protected) -> None:
    media = next(iter(protected.edms.media.rglob("*.*")))
    run_backup(protected.settings)
    content = media.read_bytes()
    media.unlink()
    run_backup(protected.settings)
    came, page = report(protected, entries(protected)[-1])
    media.write_bytes(content)
    run_backup(protected.settings)
    went, _ = report(protected, entries(protected)[-1])

    assert [one["code"] for one in came["findings_change"]["new"]] == ["missing-file"]
    assert "New: " in page
    assert [one["code"] for one in went["findings_change"]["gone"]] == ["missing-file"]
    assert went["findings_change"]["since"]["run"] == came["run"]["id"]


def test_a_run_that_fails_leaves_what_it_failed_with(protected: Protected) -> None:
    protected.edms.database_path.write_bytes(b"no database")

    with pytest.raises(Exception, match=r"."):
        run_backup(protected.settings, reason="nightly")

    last = entries(protected)[-1]
    found, page = report(protected, last)
    assert (last.event, last.outcome, last.facts["reason"]) == ("backup", "failed", "nightly")
    assert found["verdict"] == "FAILED"
    assert found["error"]["what"] == last.facts["what"]
    assert "FAILED" in page


def test_commands_that_fail_after_a_run_are_in_the_log_although_the_run_succeeded(protected: Protected) -> None:
    settings = protected.settings.model_copy(update={"hooks": HooksSettings(after_verify=("false",))})

    with pytest.raises(HookFailedAfterwards):
        run_verify(settings)

    run, hooks = entries(protected)[-2:]
    assert (run.event, run.outcome) == ("verify", "success")
    assert (hooks.event, hooks.outcome, hooks.number) == ("hooks", "failed", run.number + 1)
    assert hooks.facts["what"] == "The verify succeeded, and commands after it failed."
    assert hooks.facts["run"]
    assert read_audit_trail(protected.settings).problems == ()


class Cancelled(BaseException):
    """As Prefect's, which ends a run that was cancelled in its UI."""


@pytest.mark.parametrize("ends_it", [KeyboardInterrupt, Cancelled, SystemExit])
def test_a_run_that_is_stopped_says_so(
    protected: Protected, monkeypatch: pytest.MonkeyPatch, ends_it: type[BaseException]
) -> None:
    def stop(run: Run, *anything: object) -> None:
        raise ends_it

    monkeypatch.setattr("flows.verify._read_all", stop)
    with pytest.raises(ends_it):
        run_verify(protected.settings)

    last = entries(protected)[-1]
    assert (last.event, last.outcome) == ("verify", "stopped")
    assert report(protected, last)[0]["verdict"] == "STOPPED"


def test_an_altered_report_is_noticed(protected: Protected) -> None:
    refs = report_of(entries(protected)[-1])
    assert refs is not None
    reports = Repository.open(protected.settings.repository).reports
    for name in reports.stored_names(refs):
        path = protected.repository / name
        path.write_bytes(path.read_bytes().replace(b"Backed up", b"Packed up"))

    verified = run_verify(protected.settings)
    assert [problem[:22] for problem in verified.problems] == ["The report of entry 1 "] * 2
    assert run_verify(protected.settings, snapshot="latest").success
    for ref in (refs.json, refs.page):
        with pytest.raises(DamagedRepository, match="report"):
            reports.read(ref)


def test_a_missing_report_is_missed_unless_a_prune_removed_it(protected: Protected) -> None:
    settings = protected.settings
    run_verify(settings)
    young = protected.settings.model_copy(
        update={"retention": settings.retention.model_copy(update={"keep_reports": "7y", "keep_last": 9})}
    )
    prune.fn(Run(young), PruneRequest(dry_run=False))
    assert read_audit_trail(settings).problems == ()
    assert len(list((protected.repository / "reports").rglob("*/*"))) == 6

    refs = report_of(entries(protected)[-2])
    assert refs is not None
    (protected.repository / Repository.open(settings.repository).reports.stored_names(refs)[1]).unlink()
    assert ["The report of entry" in problem for problem in read_audit_trail(settings).problems] == [True]

    old = settings.model_copy(
        update={"retention": settings.retention.model_copy(update={"keep_reports": "0h", "keep_last": 9})}
    )
    planned = prune.fn(Run(old), PruneRequest())
    assert (planned.as_json()["reports_go"], planned.as_json()["reports_removed"]) == (5, 0)
    done = prune.fn(Run(old), PruneRequest(dry_run=False))
    assert done.reports.removed == 5
    assert read_audit_trail(settings).problems == ()
    assert len(list((protected.repository / "reports").rglob("*/*"))) == 2  # of that prune itself


def test_an_encrypted_repository_has_no_report_in_clear_and_a_machine_that_only_writes_leaves_one(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = encrypt(protect(edms_factory("sqlite", documents=5), tmp_path))
    whole = protected.settings
    writes = whole.model_copy(update={"repository": whole.repository.model_copy(update={"identity": None})})
    run_backup(writes, reason="CHG-9")

    last = entries(protected)[-1]
    refs = report_of(last)
    assert refs is not None
    assert last.is_rightly_signed
    for path in (protected.repository / "reports").rglob("*/*"):
        assert b"documents.Document" not in path.read_bytes()
        assert path.name not in (refs.json.sha256, refs.page.sha256)
    with pytest.raises(RepositorySealed):
        Repository.open(writes.repository).reports.read(refs.json)
    assert b"CHG-9" in Repository.open(whole.repository).reports.read(refs.json)

    keys.rotate_key(whole, reencrypt=True)
    for entry in entries(protected):
        if (named := report_of(entry)) is not None:
            assert Repository.open(whole.repository).reports.read(named.json)


@pytest.mark.parametrize(
    "facts",
    [
        {"approved_by": "abc", "report": 7, "reports_before": "never"},
        {"approved_by": [1, {"by": 2}], "report": {"json": {"sha256": "../../x", "size": -1}, "page": None}},
        {"reports_before": "2999-01-01T00:00:00", "reason": ["x"], "by": {}, "report_missing": 1},
    ],
)
def test_what_stands_in_a_forged_entry_breaks_nothing(
    protected: Protected, facts: dict[str, Any], tmp_path: Path
) -> None:
    repository = Repository.open(protected.settings.repository)
    made = repository.log.append("prune", "success", version="1", facts=facts)

    assert read_audit_trail(protected.settings).problems == ()
    assert bundle_evidence(protected.settings, "2026-01-01", "2099-12-31", tmp_path / "bundle").runs == made.number
    shown = CliRunner().invoke(app, ["--config", str(protected.config), "log", str(made.number)])
    assert (shown.exit_code, "no report" in shown.stdout) == (0, True), shown.output


def test_a_copy_has_the_reports(protected: Protected, tmp_path: Path) -> None:
    copy.fn(Run(protected.settings), CopyRequest(to=str(tmp_path / "copy")))
    copied = {path.name for path in (tmp_path / "copy" / "reports").rglob("*/*")}
    refs = report_of(entries(protected)[-2])
    assert refs is not None
    assert {refs.json.sha256, refs.page.sha256} <= copied


def test_what_is_done_is_done_though_its_report_cannot_be_written(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*anything: object) -> None:
        raise NoSpace("The repository's disk is full.")

    monkeypatch.setattr("edms_tasks.repository.stored_reports.StoredReports.write", full)
    with pytest.raises(EvidenceNotWritten, match="The backup is done") as caught:
        run_backup(protected.settings)

    last = entries(protected)[-1]
    assert last.outcome == "success"
    assert "disk is full" in last.facts["report_missing"]
    kept = Path(str(caught.value.fix).partition("kept in ")[2].partition(" on this")[0])
    assert last.facts["run"] in kept.read_text()


def test_a_role_that_may_not_write_is_told_and_stopped_by_nothing(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edms_tasks.errors import RepositoryForbidden

    def forbidden(*anything: object, **more: object) -> None:
        raise RepositoryForbidden("This user may not write.")

    before = len(entries(protected))
    monkeypatch.setattr("edms_tasks.repository.stored_reports.StoredReports.write", forbidden)
    monkeypatch.setattr("edms_tasks.repository.audit_log.AuditLog.append", forbidden)
    assert run_verify(protected.settings).success
    assert len(entries(protected)) == before
