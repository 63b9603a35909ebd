"""The house as its imports show it: rooms, what each is for, and which room uses which.

    python -m tests.house        write the picture into docs/architecture.md

What is imported for type hints alone is no use of a room.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- made by `python -m tests.house` -->\n", "<!-- end -->"
PACKAGES = ("flows", "edms_tasks", "expectations")
# Modules of no room of their own, by what they are.
WORDS = {
    "errors",
    "findings",
    "quoting",
    "settings",
    "settings_errors",
    "soft_reference_settings",
    "retention_settings",
    "run_settings",
    "approval_settings",
    "schedule_settings",
    "file_settings",
    "repository_settings",
    "signal_settings",
    "redaction",
    "shown_manifest",
    "validate_settings",
    "drill_settings",
    "convert_settings",
    "hook_settings",
    "manifest",
    "durable",
    "count_text",
    "unknown_names",
    "json_text",
    "periods",
    "owners_suites",
    "templates",
    "validation_result",
    "inventory.model",
    "inventory.probe_report",
}
STAGES = {"extract", "serialize", "package", "restore", "validate"}


def room_of(module: str) -> str:
    """The room that a module of ours is in."""
    package, _, rest = module.partition(".")
    if package == "edms_tasks" and (rest in WORDS or rest.partition(".")[0] in WORDS):
        return "edms_tasks: words"
    first = rest.partition(".")[0]
    if first and (ROOT / package / first).is_dir():
        return f"{package}/{first}"
    if package == "edms_tasks":
        return "edms_tasks: stages"
    if package == "flows":
        return "flows: requests" if first == "requests" else "flows: verbs"
    return package


@cache
def uses() -> Mapping[str, set[str]]:
    """Room -> the rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        here = found.setdefault(room_of(module), set())
        for imported in _imported(path):
            here.add(room_of(imported))
    return {room: others - {room} for room, others in sorted(found.items())}


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The graph without the edges that follow from others; rooms that use each other keep theirs."""
    below = {room: _reachable(graph, room) for room in graph}
    return {
        room: {
            other
            for other in others
            if not any(other in below[middle] and room not in below[middle] for middle in others - {other})
        }
        for room, others in graph.items()
    }


def circles() -> list[list[str]]:
    """Rooms that use each other, each circle once."""
    graph = uses()
    below = {room: _reachable(graph, room) for room in graph}
    found = {
        frozenset(other for other in graph if other in below[room] and room in below[other])
        for room in graph
        if room in below[room]
    }
    return sorted(sorted(circle) for circle in found)


def purpose_of(room: str) -> str:
    """The first sentence of a room's own docstring; empty for what is no folder."""
    page = ROOT / room / "__init__.py"
    if not page.exists():
        return ""
    return (ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))) or "").split("\n")[0]


def picture() -> str:
    """The rooms as a Mermaid flowchart; an arrow from a room to one that it uses."""
    graph = reduced(uses())
    names = {room: f"r{number}" for number, room in enumerate(graph)}
    lines = ["```mermaid", "flowchart TD"]
    for package in PACKAGES:
        lines.append(f"    subgraph {package}")
        lines += [
            f'        {names[room]}["{room.removeprefix(package).lstrip("/: ") or package}"]'
            for room in graph
            if room.partition("/")[0].partition(":")[0] == package
        ]
        lines.append("    end")
    lines += [f"    {names[room]} --> {names[other]}" for room, others in graph.items() for other in sorted(others)]
    return "\n".join([*lines, "```", ""])


def page_with_picture(text: str) -> str:
    """The page with the picture as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{picture()}{END}{after}"


def _reachable(graph: Mapping[str, set[str]], room: str) -> set[str]:
    found: set[str] = set()
    ahead = [room]
    while ahead:
        for other in graph.get(ahead.pop(), set()) - found:
            found.add(other)
            ahead.append(other)
    return found


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a source, the module itself first. Each is parsed once: that takes longer than whatever is asked of it."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))))


def _imported(path: Path) -> Iterator[str]:
    hints = {
        id(node)
        for branch in nodes(path)
        if isinstance(branch, ast.If) and isinstance(branch.test, ast.Name) and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in nodes(path):
        if not isinstance(node, ast.ImportFrom) or id(node) in hints or node.module is None:
            continue
        if node.module.partition(".")[0] not in PACKAGES:
            continue
        is_module = (ROOT / f"{node.module.replace('.', '/')}.py").exists()
        yield from [node.module] if is_module else [f"{node.module}.{alias.name}" for alias in node.names]


if __name__ == "__main__":
    PAGE.write_text(page_with_picture(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{len(uses())} rooms\n")
