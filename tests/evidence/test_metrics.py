"""The numbers for Prometheus: how runs ended, in a file that several systems may share, under the names that are documented."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from edms_tasks.errors import EdmsBackupError
from edms_tasks.signalling.metrics import HELP, Gauge, exposition, update_metrics
from tests.backed_up import BackedUpSystems
from tests.evidence.telling import ROOT, break_database, section, telling
from tests.running import Protected, run_backup, run_restore, run_verify

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@pytest.fixture
def protected(backed_up: BackedUpSystems) -> Protected:
    return backed_up("sqlite").protected


def test_metrics_are_kept_for_all_verbs_and_have_the_documented_names(protected: Protected, tmp_path: Path) -> None:
    file = tmp_path / "edms.prom"
    settings = telling(protected, metrics=file)
    made = run_backup(settings)
    run_verify(settings)
    text = file.read_text()

    assert oct(file.stat().st_mode)[-3:] == "644"
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    names = {name.partition("{")[0] for name in samples}
    assert names <= HELP.keys()
    assert all(f"# TYPE {name} gauge" in text for name in names)
    value = {re.sub(r'edms="[^"]*",?', "", name): float(number) for name, number in samples.items()}
    assert value["edms_backup_snapshot_rows{}"] == made.manifest.rows
    assert value["edms_backup_snapshot_stored_bytes{}"] == made.stored_bytes
    assert value["edms_backup_snapshot_timestamp_seconds{}"] == pytest.approx(made.manifest.created.timestamp())
    assert (
        value['edms_backup_run_last_success{verb="backup"}']
        == value['edms_backup_run_last_success{verb="verify"}']
        == 1
    )
    good = value['edms_backup_run_last_success_timestamp_seconds{verb="backup"}']

    break_database(protected)
    with pytest.raises(EdmsBackupError):
        run_backup(settings)
    after = file.read_text()
    assert re.search(r'edms_backup_run_last_success\{edms="[^"]*",verb="backup"\} 0\.0', after)
    assert f"{good!r}" in after
    assert not [*tmp_path.glob(".edms.prom*")]


@pytest.mark.long
def test_a_restore_that_proves_is_measured(protected: Protected, tmp_path: Path) -> None:
    file = tmp_path / "edms.prom"
    run_restore(telling(protected, metrics=file), into=str(tmp_path / "copy.sqlite3"), into_files=tmp_path / "files")
    assert "edms_backup_proof_timestamp_seconds" in file.read_text()
    assert "edms_backup_proved_snapshot_timestamp_seconds" in file.read_text()


def test_metrics_that_cannot_be_written_fail_no_run(protected: Protected, tmp_path: Path) -> None:
    assert run_verify(telling(protected, metrics=tmp_path / "none" / "edms.prom")).success


def test_several_systems_share_a_file(tmp_path: Path) -> None:
    file, value = tmp_path / "m.prom", Gauge("edms_backup_proof_timestamp_seconds", 1.0)
    for edms, number in (("plant", 1.0), ("plant2", 2.0), ("plant", 3.0)):
        update_metrics(file, tmp_path / edms, edms, {value.key: replace(value, value=number)}, frozenset())

    numbers = sorted(line for line in file.read_text().splitlines() if not line.startswith("#"))

    assert numbers == [
        'edms_backup_proof_timestamp_seconds{edms="plant"} 3.0',
        'edms_backup_proof_timestamp_seconds{edms="plant2"} 2.0',
    ]
    assert file.read_text().count("# TYPE") == 1


def test_labels_are_escaped() -> None:
    sample = Gauge("edms_backup_signal_failed", 1.0, (("way", 'a"b\\c\nd'),))
    assert 'way="a\\"b\\\\c\\nd"' in exposition({sample.key: sample}, "edms")


def test_the_board_asks_for_metrics_that_exist() -> None:
    board = json.loads((ROOT / "deployments" / "grafana" / "edms-backup.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    asked = {name for query in queries for name in re.findall(r"\bedms_backup_\w+", query)}
    assert len(queries) >= 8
    assert asked <= HELP.keys()
    assert "edms_backup_proved_snapshot_timestamp_seconds" in asked


def test_every_metric_is_documented() -> None:
    documented = set(re.findall(r"^\| `(edms_backup_\w+)` \|", section("## Prometheus"), flags=re.MULTILINE))
    assert documented == HELP.keys()
