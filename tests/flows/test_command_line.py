"""What a person or a script meets at the command line: help, options, errors, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edms_tasks import errors
from edms_tasks.errors import EdmsBackupError
from flows.cli.app import _COMMANDS, app
from flows.cli.failures import reported

COMMANDS = sorted(_COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])

    assert result.exit_code == 0
    assert f"edms-backup {command}" in result.output.partition("Examples:")[2]
    assert (
        re.findall(r"<(?:str|int|float|bool|path|list\b)", result.output) == []
    )  # Python's words, not an administrator's


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_json(command: str) -> None:
    assert "--json" in CliRunner().invoke(app, [command, "--help"]).output


def test_help_lists_every_command() -> None:
    output = CliRunner().invoke(app, ["--help"]).output

    assert [command for command in COMMANDS if f" {command} " not in output] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["destroy"],
        ["backup", "--tga", "x"],
        ["show"],
        ["demo", "--documents", "0"],
        ["schedule", "--user", "x"],
        ["report", "--port", "99"],
        ["init", "--command", "'x"],
    ],
)
def test_a_wrong_command_leaves_with_2(arguments: list[str], tmp_path: Path) -> None:
    plain = _edms_backup(tmp_path, *arguments)
    machine = _edms_backup(tmp_path, *arguments, "--json")

    assert plain.returncode == machine.returncode == 2
    assert plain.stderr
    assert json.loads(machine.stdout)["error"] == "command"


def test_an_error_says_what_where_why_and_what_to_do(tmp_path: Path) -> None:
    done = _edms_backup(tmp_path, "list")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: The settings file cannot be read.",
        "  where: edms-backup.toml",
        "  why:   No such file or directory",
        "  fix:   Write one with `edms-backup init`, or name it with --config FILE.",
    ]


@pytest.mark.parametrize("arguments", [["--json", "list"], ["list", "--json"]])
def test_an_error_is_one_json_object_for_machines(arguments: list[str], tmp_path: Path) -> None:
    done = _edms_backup(tmp_path, *arguments)

    assert json.loads(done.stdout) == {
        "error": "settings",
        "what": "The settings file cannot be read.",
        "where": "edms-backup.toml",
        "why": "No such file or directory",
        "fix": "Write one with `edms-backup init`, or name it with --config FILE.",
        "cure": "Write one with `edms-backup init`, or name it with --config FILE.",
        "exit_code": 2,
    }
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["--config", "{}", "list"], ["list", "--config", "{}"]])
def test_the_settings_file_is_named_before_the_command_or_after_it(arguments: list[str], tmp_path: Path) -> None:
    settings = tmp_path / "other.toml"
    settings.write_text("wrong = 1\n")

    done = _edms_backup(tmp_path, *(argument.format(settings) for argument in arguments))

    assert "Unknown setting `wrong`" in done.stderr
    assert str(settings) in done.stderr


def test_rich_markup_and_control_characters_in_a_name_are_printed_as_they_are(tmp_path: Path) -> None:
    done = _edms_backup(tmp_path, "--config", "[red]\x1b[2Jno.toml", "list")

    assert "[red]\\x1b[2Jno.toml" in done.stderr
    assert "\x1b" not in done.stderr


def test_every_error_leaves_with_its_own_exit_code() -> None:
    for error in _errors():
        with pytest.raises(typer.Exit) as left, reported(as_json=True, traceback=False, workdir=lambda: None):
            raise error("what")
        assert left.value.exit_code == error.exit_code
        assert error.exit_code in (1, 2, 3, 4, 130)


def test_a_surprise_leaves_with_3_one_line_and_a_traceback_only_the_owner_may_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left, reported(as_json=False, traceback=False, workdir=lambda: tmp_path):
        raise ZeroDivisionError("division\nby zero")

    said = capsys.readouterr().err
    (log,) = (tmp_path / "errors").iterdir()
    assert left.value.exit_code == 3
    assert "why:   ZeroDivisionError: division by zero" in said
    assert "Traceback" not in said
    assert str(log) in said
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_restore_that_would_replace_the_live_system_needs_yes_where_nobody_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "edms-backup.toml").write_text("")

    done = _edms_backup(tmp_path, "restore", "latest")

    assert done.returncode == 2
    assert "--yes" in done.stderr


def _errors() -> Iterator[type[EdmsBackupError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, EdmsBackupError):
            yield value


def _edms_backup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli.app", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
