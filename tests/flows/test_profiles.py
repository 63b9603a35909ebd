"""Profiles: what is known of an EDMS comes into its settings file, by name or because the EDMS is recognised."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import load_settings, settings_from
from flows.cli.app import app
from flows.initialising.profiles import Profile, all_profiles, detect_profile, parse_profile
from flows.initialising.settings_template import settings_text
from tests.inventory.small_project import small_project
from tests.reference_system import PROJECT, ReferenceEdms, ReferenceEdmsFactory
from tests.running import run_backup

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = all_profiles()
MADE_UP = """
# About this file.
[profile]
title = "a made-up one"
[profile.detect]
models = ["small.Paper"]

# Numbers are unique in their drawer.
[natural_keys]
"small.Paper" = ["number"]  # models.py

[files.roots]
scans = "/srv/scans"

[[soft_references]]
# The id in the text.
column = "small.Paper.text"

[[soft_references]]
column = "small.Paper.note"
"""


@pytest.fixture
def edms(edms_factory: ReferenceEdmsFactory, monkeypatch: pytest.MonkeyPatch) -> ReferenceEdms:
    """An installation whose surroundings say what `init` needs to ask it."""
    edms = edms_factory("sqlite", documents=5)
    for name, value in edms.env.items():
        monkeypatch.setenv(f"EDMS_BACKUP__EDMS__ENV__{name}", value)
    return edms


def _init(tmp_path: Path, *options: str) -> Result:
    return CliRunner().invoke(
        app, ["init", "--config", str(tmp_path / "edms-backup.toml"), "--repository", str(tmp_path / "repo"), *options]
    )


# -- what is shipped ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.name)
def test_a_shipped_profile_comes_into_the_settings_whole(profile: Profile, tmp_path: Path) -> None:
    text = settings_text({"edms.project": "/srv/edms"}, profile.sections)

    written = tomllib.loads(text)
    settings_from(written, where=tmp_path / "edms-backup.toml")
    for section, values in profile.values.items():
        found = written[section]
        assert (found if isinstance(found, list) else {key: found[key] for key in values}) == values
    source = (ROOT / "deployments" / "profiles" / f"{profile.name}.toml").read_text(encoding="utf-8")
    below = source.partition("\n[profile.detect]\n")[2].partition("]\n")[2]
    for line in below.splitlines():
        assert f"\n{line}\n" in text, "comments are facts too"


def test_profiles_are_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        found = {name for name in wheel.namelist() if name.startswith("deployments/profiles/")}

    assert found == {f"deployments/profiles/{profile.name}.toml" for profile in SHIPPED}
    assert {"reference-edms", "mayan-edms"} <= {profile.name for profile in SHIPPED}


def test_the_profile_of_the_reference_edms_names_what_is_there(edms: ReferenceEdms, tmp_path: Path) -> None:
    settings = load_settings(edms.settings_file(tmp_path / "edms-backup.toml", tmp_path / "repo"))
    columns = {
        f"{model.label}.{field.column}" for model in run_probe(settings).models for field in model.fields
    }  # fmt: skip
    profile = next(profile for profile in SHIPPED if profile.name == "reference-edms")

    assert set(profile.values["validate"]["sensitive"]) <= columns


# -- by name, and recognised --------------------------------------------------------------------------------------


def test_a_known_edms_is_recognised(edms: ReferenceEdms, tmp_path: Path) -> None:
    done = _init(tmp_path, "--project", str(PROJECT), "--settings", "config.settings", "--json")

    answer = json.loads(done.stdout)
    settings = load_settings(tmp_path / "edms-backup.toml")
    assert (done.exit_code, answer["profile"]) == (0, "reference-edms")
    assert "sessions.Session.session_data" in settings.validate_.sensitive
    key = next(
        entry.natural_key
        for entry in run_backup(settings).manifest.tables
        if entry.table.label == "placeholders.ControlledTemplate"
    )
    assert key is not None and (key.source, key.readable) == ("settings", "documenttemplate_ptr")


def test_a_profile_can_be_refused(edms: ReferenceEdms, tmp_path: Path) -> None:
    done = _init(tmp_path, "--project", str(PROJECT), "--settings", "config.settings", "--profile", "none", "--json")

    assert (done.exit_code, json.loads(done.stdout)["profile"]) == (0, None)
    assert load_settings(tmp_path / "edms-backup.toml").natural_keys == {}


def test_a_profile_that_is_named_is_taken_before_the_edms_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "manage.py").touch()

    done = _init(tmp_path, "--project", str(tmp_path), "--profile", "mayan-edms", "--json")

    assert done.exit_code == 2
    settings = load_settings(tmp_path / "edms-backup.toml")
    assert settings.natural_keys["documents.DocumentVersion"] == ("document", "timestamp")


def test_a_profile_for_another_edms_is_refused_with_what_it_misses(edms: ReferenceEdms, tmp_path: Path) -> None:
    done = _init(
        tmp_path, "--project", str(PROJECT), "--settings", "config.settings", "--profile", "mayan-edms", "--json"
    )

    check = next(check for check in json.loads(done.stdout)["checks"] if check["subject"] == "profile")
    assert done.exit_code == 2
    assert "acls.AccessControlList" in check["error"]["why"]


def test_a_misspelt_profile_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    done = _init(tmp_path, "--profile", "mayan-edsm", "--json")

    assert done.exit_code == 2
    assert json.loads(done.stdout)["cure"] == "Did you mean `mayan-edms`?"
    assert not (tmp_path / "edms-backup.toml").exists()


def test_the_profiles_can_be_listed(tmp_path: Path) -> None:
    listed = _init(tmp_path, "--list-profiles")
    as_json = _init(tmp_path, "--list-profiles", "--json")

    names = [profile.name for profile in SHIPPED]
    assert [line.split()[0] for line in listed.stdout.splitlines()] == names
    assert [profile["name"] for profile in json.loads(as_json.stdout)["profiles"]] == names
    assert not (tmp_path / "edms-backup.toml").exists()


def test_an_unknown_edms_gets_none(tmp_path: Path) -> None:
    report = run_probe(small_project(tmp_path / "edms", "class Paper(models.Model):\n    number = models.TextField()"))

    assert detect_profile(report, SHIPPED) is None


def test_of_two_matching_profiles_the_more_specific_is_used(tmp_path: Path) -> None:
    report: ProbeReport = run_probe(
        small_project(tmp_path / "edms", "class Paper(models.Model):\n    number = models.TextField()")
    )
    general = _profile("general", apps=["small"])
    particular = _profile("particular", apps=["small"], models=["small.Paper"])
    other = _profile("other", models=["small.Paper", "small.Shelf"])

    assert detect_profile(report, [general, particular, other]) == particular
    assert detect_profile(report, [particular, general, other]) == particular


def _profile(name: str, **detect: Any) -> Profile:
    return parse_profile(name, f'[profile]\ntitle = "x"\ndetect = {json.dumps(detect).replace(":", " =")}\n')


# -- how a profile is written -------------------------------------------------------------------------------------


def test_every_section_of_a_profile_is_copied_with_its_comments_known_or_not() -> None:
    profile = parse_profile("made-up", MADE_UP)

    text = settings_text({}, profile.sections)

    written = tomllib.loads(text)
    assert written["natural_keys"] == {"small.Paper": ["number"]}
    assert written["files"]["roots"] == {"scans": "/srv/scans"}
    assert [entry["column"] for entry in written["soft_references"]] == ["small.Paper.text", "small.Paper.note"]
    assert "profile" not in written and "About this file" not in text
    for comment in ("# Numbers are unique in their drawer.", "# models.py", "# The id in the text."):
        assert text.count(comment) == 1


def test_settings_of_a_profile_are_not_shown_as_defaults() -> None:
    profile = parse_profile("x", '[profile]\ntitle="x"\ndetect={apps=["a"]}\n[validate]\nsensitive=["a.B.c"]\n')

    text = settings_text({}, profile.sections)

    assert "# sensitive =" not in text and "# django_check = true" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profile]\ntitle = 'x'\n", "detect"),
        ("[natural_keys]\n", "profile"),
        ("[profile\n", "not valid"),
        ("[profile]\ntitle = 'x'\ndetect = {}\n", "would match every EDMS"),
        ("jobs = 4\n[profile]\ntitle = 'x'\ndetect = {apps = ['a']}\n", "sets 'jobs' outside of a section"),
    ],
)
def test_an_incomplete_profile_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_profile("made-up", text)


def test_the_command_comes_into_the_settings_word_by_word(tmp_path: Path) -> None:
    _init(tmp_path, "--command", "no-such-docker exec 'my app' python", "--project", "/app", "--settings", "config.x")

    settings = load_settings(tmp_path / "edms-backup.toml")
    assert settings.edms.command == ("no-such-docker", "exec", "my app", "python")
    assert (str(settings.edms.project), settings.edms.settings) == ("/app", "config.x")


def test_two_ways_to_start_the_interpreter_are_refused(tmp_path: Path) -> None:
    done = _init(tmp_path, "--command", "docker exec x python", "--python", "/usr/bin/python3", "--json")

    assert (done.exit_code, json.loads(done.stdout)["error"]) == (2, "command")
