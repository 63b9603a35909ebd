"""What was done is done, whether or not it can be printed: the exit code tells of the run, and nothing ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A command of this product in small: it did something, and prints what.
_COMMAND = """
import sys, typer
sys.argv = ["edms-backup", "list", *sys.argv[1:]]
from flows.cli import app as cli
from flows.cli.options import Options
ONLY_PRINTS = {only_prints}
def done(context: typer.Context, as_json: bool = typer.Option(False, "--json")) -> None:
    options = Options.of(context, None, as_json, False)
    with options.reporting():
        options.progress_console() and options.progress_console().print("✓ stage", "·")
        def show(console):
            from flows.cli.printing.closing_summaries import line
            line(console, "✓ made …")
            for number in range({lines}):
                line(console, "· ‹ü› 月 line %d" % number)
        options.finish({{"made": "✓ ü 月"}}, show, {code}, only_prints=ONLY_PRINTS)
cli.app.registered_commands.clear()
cli.app.command("list")(done)
cli.app.command("other")(done)
cli.main()
"""

WAYS = ["> /dev/full", ">&-", "> /dev/full 2>&1", ">&- 2>&-", "2> /dev/full", "2>&-", "<&-", "| true", "2>&1 | true"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("option", "code"),
    [("", 0), ("--json", 1), *(pytest.param(*both, marks=pytest.mark.long) for both in [("", 1), ("--json", 0)])],
)
def test_a_result_that_cannot_be_printed_does_not_change_the_exit_code(
    way: str, option: str, code: int, tmp_path: Path
) -> None:
    done = _shell(tmp_path, way, option=option, code=code)

    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stdout + done.stderr


@pytest.mark.parametrize("way", ["> /dev/full", ">&-"])
def test_standard_error_says_why_nothing_was_printed(way: str, tmp_path: Path) -> None:
    assert "could not be printed" in _shell(tmp_path, way, code=0).stderr


@pytest.mark.parametrize("way", ["> /dev/full", ">&-"])
def test_a_command_that_only_prints_fails_if_it_cannot_print(way: str, tmp_path: Path) -> None:
    assert _shell(tmp_path, way, code=0, only_prints=True).returncode == 3


@pytest.mark.long
def test_a_command_that_only_prints_may_be_cut_short_by_its_reader(tmp_path: Path) -> None:
    assert _shell(tmp_path, "| true", code=0, only_prints=True).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize(
    "variable", ["PYTHONIOENCODING=ascii", "PYTHONIOENCODING=latin-1", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"]
)
def test_signs_that_an_encoding_does_not_know_are_written_in_plain_letters(variable: str, tmp_path: Path) -> None:
    done = _shell(tmp_path, "", code=0, environment=variable)
    machine = _shell(tmp_path, "", option="--json", code=0, environment=variable)

    assert (done.returncode, machine.returncode) == (0, 0)
    assert done.stdout.splitlines()[0] == "OK made ..."
    assert "Traceback" not in done.stderr
    assert json.loads(machine.stdout)["made"] == "✓ ü 月"


def test_a_closed_standard_stream_does_not_become_one_of_our_files(tmp_path: Path) -> None:
    text = "import os; from flows.cli.output import prepare_streams as p; p(); n = os.open('.', 0); open('n', 'w').write(str(n))"
    subprocess.run(
        ["/bin/sh", "-c", f'{sys.executable} -c "{text}" <&- >&- 2>&-'], cwd=tmp_path, env=_environment(), check=True
    )

    assert int((tmp_path / "n").read_text()) > 2


def _shell(
    folder: Path, way: str, *, option: str = "", code: int, only_prints: bool = False, environment: str = ""
) -> subprocess.CompletedProcess[str]:
    program = folder / "program.py"
    program.write_text(
        _COMMAND.format(code=code, only_prints=only_prints, lines=20_000 if "|" in way else 2), encoding="utf-8"
    )
    # The shell's own exit code is that of the last command of a pipe.
    words = f"set -o pipefail; {environment} {sys.executable} {program} {option} {way}"
    return subprocess.run(
        ["/bin/bash", "-c", words],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    return kept | {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "LANG": "C.UTF-8"}
