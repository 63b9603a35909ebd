"""`prune`, `hold`, `release`, `tag` and `list` at the command line, and a system that comes back after a prune."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import RepositoryUnreachable
from edms_tasks.repository.backend import LocalBackend
from flows.cli.app import app
from tests.backed_up import BackedUpSystems
from tests.direct_access import execute
from tests.independent_comparison import differences, picture
from tests.retention.library import Library
from tests.running import run_restore


@pytest.fixture
def config(local: Library, tmp_path: Path) -> Path:
    path = tmp_path / "edms-backup.toml"
    path.write_text(
        f'workdir = "{local.workdir}"\n[edms]\nid = "ours"\n[repository]\nurl = "{local.settings.url}"\n',
        encoding="utf-8",
    )
    return path


def _json(config: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["--config", str(config), *arguments, "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    assert found.get("exit_code", result.exit_code) == result.exit_code
    return found


def test_a_dry_run_fits_a_terminal_and_removes_nothing(
    local: Library, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [local.add(day, tag="before-upgrade" if day == 2 else None) for day in range(4)]
    monkeypatch.setattr("flows.cli.printing.layout.WIDTH_OF_A_PIPE", 80)
    shown = CliRunner().invoke(
        app, ["--config", str(config), "prune", "--keep-daily", "1", "--keep-last", "1", "--dry-run"]
    )
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    (first,) = [line for line in lines if made[0][:12] in line]
    assert f"GOES, frees {len('only day 0 of ours None')} bytes" in first and "2026-06-01 12:00" in first
    assert [line for line in lines if made[2][:12] in line and line.endswith("tagged")]
    assert "Nothing was removed: this is a dry run." in lines
    assert local.there() == set(made)


def test_settings_and_options_together(local: Library, config: Path) -> None:
    made = [local.add(day) for day in range(6)]
    config.write_text(config.read_text(encoding="utf-8") + "[retention]\nkeep_daily = 3\n", encoding="utf-8")
    planned = _json(config, "prune", "--keep-last", "4", "--dry-run")
    assert planned["rules"] == "4 last, 3 daily"
    assert [one["id"] for one in planned["snapshots"] if one["goes"]] == made[:2]
    done = _json(config, "prune", "--keep-daily", "0", "--keep-last", "1")
    assert done["removed"] == made[:5] and done["freed"] == planned["frees"] // 2 * 5
    listed = _json(config, "list")
    assert [one["id"] for one in listed["snapshots"]] == made[5:]
    assert (listed["problems"], listed["expected"], listed["pruned"]) == ([], 1, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        ([], "command", 2),
        (["--keep-last", "-1"], "command", 2),
        (["--keep-within", "30 days"], "command", 2),
        (["--keep-last", "1", "--remove", "latest"], "command", 2),
        (["--keep-last", "1", "--remove", "latest", "--reason", "x"], "command", 2),
        (["--keep-last", "1", "--remove", "0123456789ab", "--reason", "x"], "unknown-snapshot", 2),
    ],
)
def test_what_may_not_be_pruned(local: Library, config: Path, arguments: list[str], error: str, code: int) -> None:
    made = {local.add(0), local.add(1)}
    result = CliRunner().invoke(app, ["--config", str(config), "prune", *arguments, "--json"])
    if arguments != ["--keep-last", "-1"]:  # Typer reports that one by itself
        assert json.loads(result.stdout)["error"] == error
    assert result.exit_code == code
    assert local.there() == made


def test_an_unknown_time_zone_is_named(local: Library, config: Path) -> None:
    config.write_text(
        config.read_text(encoding="utf-8") + '[retention]\ntimezone = "Europe/Belrin"\n', encoding="utf-8"
    )
    found = _json(config, "list")
    assert found["error"] == "settings" and "Europe/Belrin" in found["why"]


def test_hold_release_and_tag(local: Library, config: Path) -> None:
    first = local.add(0)
    local.add(1)
    held = _json(config, "hold", first[:8], "--reason", "case 7", "--by", "Ann")
    assert [(one["by"], one["reason"]) for one in held["holds"]] == [("Ann", "case 7")]
    assert _json(config, "tag", first[:8], "audit")["tags"] == ["audit"]
    listed = _json(config, "list")["snapshots"][0]
    assert (listed["holds"], listed["tags"], listed["id"]) == (["Ann: case 7"], ["audit"], first)
    shown = CliRunner().invoke(app, ["--config", str(config), "list"]).stdout
    assert "audit, held" in shown and "by Ann: case 7" in shown
    assert _json(config, "prune", "--keep-last", "1")["removed"] == []

    assert _json(config, "tag", "audit", "audit", "--remove")["tags"] == []
    assert _json(config, "release", first[:8], "--reason", "closed")["holds"] == []
    assert _json(config, "prune", "--keep-last", "1")["removed"] == [first]
    assert _json(config, "hold", first[:8], "--reason", "too late")["error"] == "unknown-snapshot"


def test_lost_records_can_be_given_up(local: Library, config: Path) -> None:
    first = local.add(0)
    local.add(1)
    _json(config, "hold", first[:8], "--reason", "case 7")
    for name, _ in list(local.repository.backend.names("records")):
        local.repository.backend.remove(name)
    listed = _json(config, "list")
    assert listed["exit_code"] == 1 and "is missing" in listed["problems"][0]
    assert any("records/" in problem for problem in _json(config, "verify", "--structure")["problems"])
    refused = _json(config, "prune", "--keep-last", "1")
    assert refused["error"] == "prune-refused" and "It may be a hold" in refused["why"]
    assert len(_json(config, "release", "--lost-records", "--reason", "checked all cases")["given_up"]) == 1
    assert _json(config, "prune", "--keep-last", "1")["removed"] == [first]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("edms_asked_once")
def test_a_system_comes_back_from_what_a_prune_left(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    """The newest, and one that was being restored while a prune ran; each as the system was then."""
    protected = backed_up("sqlite", top="chunk_rows = 40").protected
    edms, made, then = protected.edms, [], []
    for number in range(3):
        execute(edms, f"UPDATE documents_documentcomment SET text = text || '{number}' WHERE id % 3 = {number}")
        (edms.media / f"new-{number}.txt").write_text(f"content {number}" * 100, encoding="utf-8")
        made.append(protected.backup().snapshot_id)
        then.append(picture(edms))
    pruned: list[dict[str, Any]] = []

    restored = run_restore(
        protected.settings,
        before_validation=lambda staging, folders: pruned.append(_json(protected.config, "prune", "--keep-last", "1")),
        snapshot=made[0],
        into=str(tmp_path / "a.sqlite3"),
        into_files=tmp_path / "a",
    )

    assert restored.success
    (done,) = pruned
    assert len(done["removed"]) == 2 and done["objects_removed"] > 0
    assert {one["id"]: one["keeps"] for one in done["snapshots"]}[made[0]] == ["being read"]
    assert protected.verify().problems == ()
    assert _json(protected.config, "prune", "--keep-last", "1")["removed"] == [], "now it is the one that was proved"
    for snapshot, expected in ((made[0], then[0]), (made[2], then[2])):
        assert protected.restore(snapshot).success
        assert differences(expected, picture(edms)) == []
    again = protected.backup()
    assert again.verified and again.manifest.number == 5
    assert [one.code for one in again.manifest.findings if one.code.startswith("snapshot")] == []


def test_a_hold_that_is_not_in_the_log_is_in_force_and_the_error_says_so(
    local: Library, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = local.add(0)
    local.add(1)
    create = LocalBackend.create

    def full(backend: LocalBackend, name: str, data: bytes) -> bool:
        if name.startswith("log/"):
            raise RepositoryUnreachable("The disk is full.", where=name, fix="Make room.")
        return create(backend, name, data)

    monkeypatch.setattr(LocalBackend, "create", full)
    refused = _json(config, "hold", first[:8], "--reason", "case 7", "--by", "Ann")
    monkeypatch.undo()

    assert (refused["error"], refused["exit_code"]) == ("evidence-not-written", 4)
    assert f"Snapshot {first[:12]} is held by Ann: case 7. This is in force" in refused["what"]
    assert refused["why"] == "The disk is full."
    assert _json(config, "prune", "--keep-last", "1")["removed"] == []
