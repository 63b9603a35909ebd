"""The settings file that `init` writes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from edms_tasks.settings import Settings, load_settings, settings_from
from flows.initialising.settings_template import settings_text


def test_every_setting_appears_in_it() -> None:
    written = settings_text({})

    missing = [key for key in _keys(Settings) if key not in set(_keys_of_text(written))]

    assert missing == []


def test_the_generated_file_has_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "edms-backup.toml"
    path.write_text(settings_text({}), encoding="utf-8")

    assert load_settings(path) == settings_from({}, where=path)


def test_every_commented_line_is_valid_once_the_comment_sign_is_removed(tmp_path: Path) -> None:
    lines = settings_text({}).splitlines()
    text = "\n".join(line.removeprefix("# ") if _is_entry(line) else line for line in lines)

    settings_from(tomllib.loads(text), where=tmp_path / "edms-backup.toml")


def test_answers_stand_as_they_are_whatever_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "edms-backup.toml"
    awkward = '/srv/a "quoted" \\ folder/ü\x7f'

    path.write_text(settings_text({"edms.project": awkward, "repository.url": "s3://bucket/x"}), encoding="utf-8")

    settings = load_settings(path)
    assert str(settings.edms.project) == awkward
    assert settings.repository.url == "s3://bucket/x"


@pytest.mark.parametrize("force", [True, False])
def test_init_writes_over_a_file_only_when_told_to(force: bool, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from flows.cli.app import app

    path = tmp_path / "edms-backup.toml"
    path.write_text("# mine\n")
    (tmp_path / "manage.py").touch()
    project = ["--project", str(tmp_path), "--repository", str(tmp_path / "repository")]

    CliRunner().invoke(app, ["init", "--config", str(path), "--json", *project, *(["--force"] if force else [])])

    assert (path.read_text() == "# mine\n") is not force


def _keys(model: type[BaseModel], section: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{key}.")
        elif key != "natural_keys":  # a section of its own, whose keys are the EDMS's models
            yield section + key


def _keys_of_text(text: str) -> Iterator[str]:
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif _is_entry(line):
            yield section + line.removeprefix("# ").partition(" = ")[0]


def _is_entry(line: str) -> bool:
    key = line.removeprefix("# ").partition(" = ")[0]
    return " = " in line and " " not in key and not key.startswith("[")
