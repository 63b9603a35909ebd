"""Settings come from the file and the environment; what is misspelled is an error with a suggestion, never silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import SettingsError
from edms_tasks.settings import load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edms-backup.toml"
    path.write_text('workdir = "work"\n[edms]\nproject = "edms"\n[repository]\nurl = "backups"\n', encoding="utf-8")
    return path


def test_relative_paths_are_relative_to_the_file(config: Path) -> None:
    settings = load_settings(config)

    assert settings.edms.project == config.parent / "edms"
    assert settings.repository.url == str(config.parent / "backups")
    assert settings.workdir == config.parent / "work"


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [("[repositry]\nurl = 'x'", "repository"), ("[restore]\ndisconect = true", "restore.disconnect")],
)
def test_an_unknown_key_is_an_error_with_a_suggestion(config: Path, line: str, suggestion: str) -> None:
    config.write_text(line, encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        load_settings(config)

    assert suggestion in caught.value.fix
    assert caught.value.exit_code == 2


def test_the_environment_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDMS_BACKUP__REPOSITORY__URL", "memory://elsewhere")
    monkeypatch.setenv("EDMS_BACKUP__VALIDATE__DJANGO_CHECK", "false")
    monkeypatch.setenv("EDMS_BACKUP__EXCLUDE__TABLES", '["sessions.Session"]')
    monkeypatch.setenv("EDMS_BACKUP__JOBS", "3")

    settings = load_settings(config)

    assert settings.repository.url == "memory://elsewhere"
    assert settings.validate_.django_check is False
    assert settings.exclude.tables == ("sessions.Session",)
    assert settings.jobs == 3


def test_names_of_the_edms_own_variables_keep_their_case(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDMS_BACKUP__EDMS__ENV__DATABASE_URL", "secret")

    settings = load_settings(config)

    assert settings.edms.env["DATABASE_URL"].get_secret_value() == "secret"
    assert "secret" not in repr(settings)


def test_a_misspelled_variable_is_an_error(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDMS_BACKUP__REPOSITRY__URL", "x")

    with pytest.raises(SettingsError, match="repositry"):
        load_settings(config)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="edms-backup init"):
        load_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('[approval]\nexpires = "4m"', "such as 90min, 24h or 2d"),
        ('[drill]\nrto = "four hours"', "such as 90min, 24h or 2d"),
        ('[status]\nmax_age = "26 hours"', "6m (months)"),
        ('[edms]\nid = "Werk 1"', "letters, digits, dots, hyphens and underscores"),
        ('[repository]\nid = "-x"', "letters, digits, dots, hyphens and underscores"),
    ],
)
def test_what_a_setting_must_look_like_is_said_in_words(config: Path, line: str, told: str) -> None:
    config.write_text(line, encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        load_settings(config)

    assert told in caught.value.why
    assert "^" not in caught.value.why
