"""The commands of a page, as a script: what its reader types, in the order of the page.

A fenced block `sh` is typed line by line; `\\` at its end continues a line, and a here-document belongs to its line. A block `toml` is
written into the settings file. An HTML comment that begins with `run` is typed too, unseen: what happens elsewhere meanwhile, such as the
accident that a guide repairs. Other blocks are only shown. A command succeeds, unless its comment says `# exit code 1`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomlkit

_BLOCK = re.compile(r"^( *)```(sh|toml)\n(.*?)^\1```$|^( *)<!-- run\n(.*?)^\4-->$", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")


@dataclass(frozen=True)
class Command:
    """A command of a page: where it stands, its text, and how it must end."""

    where: str
    text: str
    exit_code: int = 0


@dataclass(frozen=True)
class Setting:
    """Lines of a page that go into the settings file."""

    where: str
    text: str


def steps_of(page: Path) -> Iterator[Command | Setting]:
    """What a reader of the page does, in order."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start()) + 2
        typed = textwrap.dedent(block[3] or block[5] or "")
        if block[2] == "toml":
            yield Setting(f"{page.name}:{first}", typed)
            continue
        for number, command in _commands(typed):
            code = _EXIT_CODE.search(command)
            yield Command(f"{page.name}:{first + number}", command, int(code[1]) if code else 0)


def script_of(page: Path, places: Mapping[str, str], settings: str) -> str:
    """A script for bash that does what a reader of the page does, and stops at the first command that ends otherwise.

    Args:
        page: with its blocks.
        places: what stands in the page -> what it is here; longer ones win.
        settings: the settings file, as the page would name it.
    """
    lines = ["set -u"]
    steps = list(steps_of(page))
    if not any(isinstance(step, Command) for step in steps):
        raise ValueError(f"{page.name} has no command")
    for step in steps:
        if isinstance(step, Setting):
            lines.append(
                f"python -m tests.pages.page_commands {settings} <<'END_OF_SETTINGS'\n{step.text}END_OF_SETTINGS"
            )
        else:
            lines.append(f"printf '\\n== {step.where}\\n' >&2\n{step.text}")
        code = step.exit_code if isinstance(step, Command) else 0
        lines.append(
            f'code=$?; [ $code = {code} ] || {{ echo "{step.where} ended with $code, not {code}" >&2; exit 99; }}'
        )
    text = "\n".join(lines) + "\n"
    # In one pass: a place here may have in it what another place is called on the page.
    shown = "|".join(re.escape(place) for place in sorted(places, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])(?:{shown})", lambda place: places[place[0]], text)


def with_settings(document: str, added: str) -> str:
    """A settings file with the keys of other lines put into it; its comments stay."""
    whole = tomlkit.parse(document)
    for section, value in tomlkit.parse(added).items():
        if isinstance(value, Mapping) and section in whole:
            for key, inner in value.items():
                whole[section][key] = inner  # type: ignore[index]
        else:
            whole[section] = value
    return tomlkit.dumps(whole)


def _commands(block: str) -> Iterator[tuple[int, str]]:
    lines = block.splitlines()
    number = 0
    while number < len(lines):
        first, text = number, lines[number]
        while text.endswith("\\"):
            number += 1
            text += f"\n{lines[number]}"
        if end := re.search(r"<<\s*'?(\w+)'?", text):
            while lines[number].strip() != end[1]:
                number += 1
                text += f"\n{lines[number]}"
        number += 1
        if text.strip() and not text.lstrip().startswith("#"):
            yield first, text


if __name__ == "__main__":
    import sys

    file = Path(sys.argv[1])
    file.write_text(with_settings(file.read_text(encoding="utf-8"), sys.stdin.read()), encoding="utf-8")
