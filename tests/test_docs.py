"""What a person can meet is documented, and what is documented exists: commands, options, settings, errors, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from edms_tasks import errors
from edms_tasks.settings import Settings
from flows.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("deployments/*.md")])

_COMMAND_LINE = typer.main.get_command(app)
COMMANDS: dict[str, Any] = getattr(_COMMAND_LINE, "commands")  # noqa: B009 - the group's type is Typer's own


def _error_classes(
    base: type[errors.EdmsBackupError] = errors.EdmsBackupError,
) -> Iterator[type[errors.EdmsBackupError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _error_classes(child)


def _table_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _section(page: Path, heading: str) -> str:
    """The text below a heading, up to the next of its level or higher."""
    text = page.read_text(encoding="utf-8")
    level = heading.split(" ", 1)[0]
    assert f"\n{heading}\n" in text, f"{page.name} has no heading {heading!r}"
    below = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", below, maxsplit=1)[0]


def _option_names(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def _options_of(command: Any) -> set[str]:
    """The options of a command, or of all commands of a group."""
    if hasattr(command, "commands"):
        return set().union(*map(_options_of, command.commands.values()))
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts) if name[:2] == "--"}


# -- errors -------------------------------------------------------------------------------------------------------


def test_every_error_is_documented_with_its_exit_code() -> None:
    rows = list(_table_rows(_section(DOCS / "restore.md", "## Every error")))
    documented = {re.findall(r"`([^`]+)`", row[0])[0]: int(row[1]) for row in rows}
    assert documented == {found.code: found.exit_code for found in _error_classes()}


def test_errors_that_may_pass_are_marked_so() -> None:
    marked = {
        re.findall(r"`([^`]+)`", row[0])[0]
        for row in _table_rows(_section(DOCS / "restore.md", "## Every error"))
        if "↻" in row[0]
    }
    assert marked == {found.code for found in _error_classes() if found.transient}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [found.code for found in _error_classes()]
    assert len(codes) == len(set(codes))


def test_every_documented_error_has_a_meaning_and_a_fix() -> None:
    for row in _table_rows(_section(DOCS / "restore.md", "## Every error")):
        assert all(row) and len(row) == 4, row


# -- commands -----------------------------------------------------------------------------------------------------


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## `edms-backup ([a-z-]+)`$", text, flags=re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_of_a_command_is_documented_and_every_documented_option_exists(name: str) -> None:
    common = {"--config", "--json", "--traceback"}
    section = _section(DOCS / "commands.md", f"## `edms-backup {name}`")
    documented = _option_names("\n".join(row[0] for row in _table_rows(section)))
    assert documented == _options_of(COMMANDS[name]) - common


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_shows_no_doubled_brackets_and_no_backslashes(name: str) -> None:
    """Typer puts brackets around what may be left out, and without markup a backslash stands there as it is."""
    for command in getattr(COMMANDS[name], "commands", {name: COMMANDS[name]}).values():
        for option in command.params:
            assert not (option.metavar or "").startswith("["), (command.name, option.name)
            assert "\\[" not in (getattr(option, "help", "") or ""), (command.name, option.name)


def test_the_options_before_a_command_are_documented() -> None:
    root = {name for option in _COMMAND_LINE.params for name in option.opts if name[:2] == "--"}
    assert root <= _option_names(_section(DOCS / "commands.md", "## Options of every command"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_shown_anywhere_exist(page: Path) -> None:
    for line in _code_of(page):
        for call in re.findall(r"\bedms-backup ((?:--?[a-z]+ [^ ]+ )*)([a-z][a-z-]*)((?: [^\n`;|&#)]*)?)", line):
            name, arguments = call[1], call[2]
            assert name in COMMANDS, f"{page.name}: edms-backup {name}"
            allowed = _options_of(COMMANDS[name]) | {"--help"}
            assert _option_names(arguments) <= allowed, f"{page.name}: {line}"


def _code_of(page: Path) -> Iterator[str]:
    """Lines of code blocks that are typed at a prompt, and code in running text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    for block in blocks:
        for line in block.splitlines():
            if re.match(r"(\$ )?edms-backup ", line.strip()):
                yield line.strip()
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (code for code in re.findall(r"`([^`\n]+)`", outside) if code.startswith("edms-backup "))


# -- settings -----------------------------------------------------------------------------------------------------


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    rows = list(_table_rows((DOCS / "settings.md").read_text(encoding="utf-8")))
    documented = {row[0].strip("`"): row for row in rows}
    assert set(documented) == set(_setting_keys())
    assert all(row[-1] for row in rows)


def test_documented_defaults_of_numbers_and_choices_are_the_real_ones() -> None:
    defaults = _setting_keys()
    for row in _table_rows((DOCS / "settings.md").read_text(encoding="utf-8")):
        default = defaults[row[0].strip("`")]
        if isinstance(default, bool | int):
            assert row[1].strip("`") == str(default).lower(), row
        elif isinstance(default, str):
            assert row[1].strip("`") == default, row


def _setting_keys() -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        key, inner = field.alias or name, getattr(field.annotation, "model_fields", None)
        if inner is None:
            keys[key] = field.default
        else:
            keys.update({f"{key}.{found.alias or part}": found.default for part, found in inner.items()})
    return keys


# -- links and pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", lambda code: code[0] if "](" in code[0] else "code", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in _anchors(found), f"{page.name}: {target}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pictures_are_small() -> None:
    pictures = list((DOCS / "pictures").glob("*.png"))
    assert pictures
    assert all(picture.stat().st_size < 300_000 for picture in pictures)


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:3]) for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_test_that_a_page_names_exists() -> None:
    named = {
        (path, name)
        for page in PAGES
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8"))
    }
    assert len(named) > 10
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text("utf-8")]
    assert not missing
