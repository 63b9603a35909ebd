"""What runs when: the same in Prefect's deployments, systemd's timers and cron's lines."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from edms_tasks.errors import CommandError, SettingsError
from edms_tasks.settings import Settings, settings_from
from flows.cli.app import app
from flows.scheduling.cron_lines import cron_lines
from flows.scheduling.prefect_deployments import DeployedEdms, prefect_file
from flows.scheduling.prefect_service import PrefectService
from flows.scheduling.scheduled_jobs import scheduled_jobs
from flows.scheduling.systemd_units import calendar, skipped_runs, units

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ANALYZE = shutil.which("systemd-analyze")


def settings(**sections: Any) -> Settings:
    return settings_from({"edms": {"id": "plant"}, **sections}, where=Path("/etc/edms-backup/plant.toml"))


def deployed(*systems: Settings) -> dict[str, Any]:
    given = [DeployedEdms(one.edms.id or "", Path(f"/etc/edms-backup/{one.edms.id}.toml"), one) for one in systems]
    made = YAML(typ="safe").load(prefect_file(given, "pool"))
    return {one["name"]: one for one in made["deployments"]}


def test_what_lacks_something_does_not_run_by_itself() -> None:
    off = {job.name: job.off for job in scheduled_jobs(settings()) if not job.runs}
    assert off == {"copy": "[copy] url is not set", "prune": "[retention] has no rule"}

    whole = settings(copy={"url": "/copy"}, retention={"keep_daily": 7}, schedule={"drill": ""})
    assert {job.name: job.off for job in scheduled_jobs(whole) if not job.runs} == {"drill": "it is turned off"}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("backup", "0 2 * *"),
        ("backup", "0 25 * * *"),
        ("backup", "after backup"),
        ("backup", "0 2 31 2 *"),
        ("backup", "0 2 1 * 1"),
        ("backup", "0 2 L * *"),
        ("backup", "0 2 * * 5L"),
        ("backup", "0 2 * * 1#2"),
        ("backup", "@daily"),
        ("timezone", "Europe/Atlantis"),
        ("sample", 0),
    ],
)
def test_a_time_that_is_none_is_refused_by_name(key: str, text: Any) -> None:
    with pytest.raises(SettingsError, match=rf"schedule\.{key}"):
        settings(schedule={key: text})


def test_names_of_days_and_months_are_times() -> None:
    assert settings(schedule={"backup": "0 2 * JAN,JUL MON-WED"}).schedule.backup == "0 2 * JAN,JUL MON-WED"


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_a_nightly_backup_runs_once_each_day_of_the_year_across_summer_time(zone: str) -> None:
    job = scheduled_jobs(settings(schedule={"timezone": zone}))[0]

    runs = job.next_runs(ZoneInfo(zone), datetime(2026, 12, 31, 20, tzinfo=UTC), 366)

    days = [at.astimezone(ZoneInfo(zone)).date() for at in runs]
    assert days == [days[0] + timedelta(days=number) for number in range(366)]


def test_deployments_have_the_schedule_and_the_settings_of_their_edms() -> None:
    office = settings_from(
        {
            "edms": {"id": "office"},
            "copy": {"url": "/copy"},
            "schedule": {"timezone": "Europe/Vienna", "backup": "5 1 * * *"},
        },
        where=Path("/etc/edms-backup/office.toml"),
    )

    made = deployed(settings(), office)

    (schedule,) = made["backup-office"]["schedules"]
    assert (schedule["cron"], schedule["timezone"], schedule["active"]) == ("5 1 * * *", "Europe/Vienna", True)
    assert made["backup-office"]["parameters"] == {"config": "/etc/edms-backup/office.toml"}
    assert made["verify-sample-plant"]["parameters"]["sample"] == 5
    (trigger,) = made["copy-office"]["triggers"]
    assert trigger["match_related"]["prefect.resource.name"] == "backup-office"
    assert "triggers" not in made["copy-plant"]
    for name in ("restore-plant", "merge-office", "rollback-plant", "prune-plant", "copy-office"):
        assert made[name]["schedules"] == []
    assert made["restore-plant"]["parameters"]["confirm"] is False


def test_two_systems_of_one_name_are_refused() -> None:
    with pytest.raises(CommandError, match="same name"):
        deployed(settings(), settings())


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units_and_understands_their_times(tmp_path: Path) -> None:
    whole = settings(copy={"url": "/copy"}, retention={"keep_daily": 7}, schedule={"timezone": "Europe/Vienna"})
    made = units(
        scheduled_jobs(whole),
        name="plant",
        zone="Europe/Vienna",
        user="root",
        program="/bin/true",
        config="/etc/a %b$c.toml",
    )
    for name, text in made.items():
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", *map(str, sorted(tmp_path.glob("*")))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "edms-backup" not in done.stderr, done.stderr
    assert "OnSuccess=edms-backup-plant-copy.service" in made["edms-backup-plant-backup.service"]
    assert "edms-backup-plant-copy.timer" not in made
    assert "ExecStart=/bin/true --config '/etc/a %%b$$c.toml' backup" in made["edms-backup-plant-backup.service"]


FIELDS = st.tuples(
    st.one_of(st.integers(0, 59).map(str), st.just("*/15"), st.just("5,35")),
    st.one_of(st.integers(0, 23).map(str), st.just("*/6"), st.just("8-17"), st.just("*")),
    st.one_of(st.integers(1, 28).map(str), st.just("*"), st.just("1,15")),
    st.one_of(st.just("*"), st.just("*/3"), st.just("1-6"), st.just("JAN,JUL")),
)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@settings_of_hypothesis(max_examples=40, deadline=None)
@given(FIELDS, st.one_of(st.just("*"), st.just("1-5"), st.just("0"), st.just("7"), st.just("SUN,WED"), st.just("5-7")))
def test_systemd_means_by_its_times_what_cron_means(fields: tuple[str, str, str, str], weekday: str) -> None:
    minute, hour, day, month = fields
    cron = " ".join((minute, hour, "*" if weekday != "*" else day, month, weekday))
    zone = ZoneInfo("UTC")
    (expected,) = scheduled_jobs(settings(schedule={"backup": cron}))[0].next_runs(zone, NOW, 1)

    done = subprocess.run(
        [str(ANALYZE), "calendar", "--base-time=2026-11-30 12:00:00 UTC", f"{calendar(cron)} UTC"],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
    )

    found = re.search(r"Next elapse: \w+ (\S+ \S+) UTC", done.stdout)
    assert found is not None, done.stdout
    assert found[1] == f"{expected:%Y-%m-%d %H:%M:%S}", cron


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "UTC", "Africa/Cairo"])
@pytest.mark.parametrize("cron", ["0 2 * * *", "30 2 * * *", "15 0 * * *", "30 * * * *", "0 3 * * *"])
def test_systemd_makes_up_for_hours_that_do_not_exist(zone: str, cron: str) -> None:
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    hour = cron.split()[1]
    expected = set()
    for day in range(3600):
        date = now.date() + timedelta(days=day)
        if hour != "*":
            wanted = datetime(date.year, date.month, date.day, int(hour), int(cron.split()[0]), tzinfo=ZoneInfo(zone))
            if wanted.astimezone(UTC).astimezone(wanted.tzinfo).replace(tzinfo=None) != wanted.replace(tzinfo=None):
                expected.add(date)

    found = skipped_runs(cron, zone, now)

    assert {at.date() for at in found if (at.date() - now.date()).days < 3600} == expected
    for at in found:  # it exists
        there = at.replace(tzinfo=ZoneInfo(zone))
        assert there.astimezone(UTC).astimezone(there.tzinfo).replace(tzinfo=None) == at


def test_a_user_that_would_add_lines_to_the_units_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text('[edms]\nproject = "."\nsettings = "s"\n[repository]\nurl = "repository"\n')
    bad = "root\nExecStartPre=/bin/touch /tmp/x"

    done = CliRunner().invoke(app, ["--config", str(config), "schedule", "--systemd", str(tmp_path), "--user", bad])

    assert done.exit_code == 2
    assert not list(tmp_path.glob("*.service"))


def test_cron_runs_the_copy_after_the_backup_and_says_nothing_if_all_is_well() -> None:
    whole = settings(copy={"url": "/copy"}, schedule={"timezone": "Europe/Vienna", "status": ""})

    text = cron_lines(
        scheduled_jobs(whole), zone="Europe/Vienna", program="/usr/bin/edms-backup", config="/etc/100%.toml"
    )

    lines = [line for line in text.splitlines() if not line.startswith("#")]
    program = r"/usr/bin/edms-backup --quiet --config /etc/100\%.toml"
    assert f"0 2 * * * {program} backup && {program} copy" in lines
    assert f"0 4 * * * {program} verify --sample 5" in lines
    assert not any("status" in line or "prune" in line for line in lines)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:4200"), ("::1", "http://[::1]:4200"), ("edms", "http://edms:4200")],
)
def test_the_address_of_the_ui_is_one_that_programs_can_ask(host: str, url: str, tmp_path: Path) -> None:
    assert PrefectService(tmp_path, [], host, 4200, print).url == url
