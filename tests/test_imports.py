"""The import rules of CONTRIBUTING.md, read from the source: every import counts, one inside a function as well."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests import house

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["flows", "edms_tasks", "expectations", "deployments", "reference_edms"]
NOUNS = ("edms_tasks/repository/", "edms_tasks/databases/", "edms_tasks/inventory/")
STAGES = {f"edms_tasks.{stage}" for stage in ("extract", "serialize", "package", "restore", "validate")}
GENERIC_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


@dataclass(frozen=True)
class Import:
    """One imported module, and the line that imports it."""

    file: str
    line: int
    module: str

    def is_of(self, package: str) -> bool:
        """Whether the module is the package or in it."""
        return self.module == package or self.module.startswith(f"{package}.")

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


@dataclass(frozen=True)
class Rule:
    """Modules that only some files may import."""

    packages: frozenset[str]
    allowed: Callable[[str], bool]


RULES = {
    "only the rooms where flows run import Prefect": Rule(
        frozenset({"prefect", "prefect_dask"}),
        lambda file: file.startswith("flows/running/"),
    ),
    "only expectations and validate import Great Expectations": Rule(
        frozenset({"great_expectations"}),
        lambda file: file.startswith("expectations/") or file == "edms_tasks/validate.py",
    ),
    "only the probe and the reference EDMS import Django": Rule(
        frozenset({"django"}),
        lambda file: file.startswith("reference_edms/") or file == "edms_tasks/inventory/probe.py",
    ),
    "only flows and deployments import flows": Rule(
        frozenset({"flows"}), lambda file: file.startswith(("flows/", "deployments/"))
    ),
    "only validate and flows import expectations": Rule(
        frozenset({"expectations"}),
        lambda file: file.startswith(("expectations/", "flows/")) or file == "edms_tasks/validate.py",
    ),
    "the nouns import no stage": Rule(frozenset(STAGES), lambda file: not file.startswith(NOUNS)),
    "nothing that is installed imports tests or benchmarks": Rule(
        frozenset({"tests", "benchmarks"}), lambda file: False
    ),
    "only the demo's flow knows the reference EDMS": Rule(
        frozenset({"reference_edms"}), lambda file: file.startswith(("reference_edms/", "flows/"))
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_imports_run_one_way(name: str) -> None:
    rule = RULES[name]

    broken = [
        str(found)
        for found in _imports()
        if any(found.is_of(package) for package in rule.packages) and not rule.allowed(found.file)
    ]

    assert not broken, f"{name}, but:\n" + "\n".join(broken)


def test_the_probe_needs_nothing_but_the_standard_library_and_django() -> None:
    probe = "edms_tasks/inventory/probe.py"

    foreign = [str(found) for found in _imports() if found.file == probe and not _is_plain(found)]

    assert not foreign


def test_no_module_has_a_name_that_says_nothing() -> None:
    unnamed = [path for path in _sources() if GENERIC_NAMES & {PurePosixPath(path).stem, *PurePosixPath(path).parts}]

    assert not unnamed


def test_a_file_name_stands_once() -> None:
    by_name: dict[str, list[str]] = {}
    for path in _sources():
        if not path.startswith(("reference_edms/", "edms_tasks/databases/sqlite/")) and not path.endswith(
            "__init__.py"
        ):
            by_name.setdefault(PurePosixPath(path).name, []).append(path)

    twice = {name: paths for name, paths in by_name.items() if len(paths) > 1}

    # The engines' folders have the same names for the same parts of the protocol. A stage and a verb may share a name.
    assert twice == {"restore.py": ["flows/restore.py", "edms_tasks/restore.py"]}


def test_a_class_name_stands_once() -> None:
    by_name: dict[str, list[str]] = {}
    for path in _sources():
        if path.startswith("reference_edms/"):
            continue
        for node in ast.iter_child_nodes(_nodes(path)[0]):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                by_name.setdefault(node.name, []).append(path)

    twice = {name for name, paths in by_name.items() if len(paths) > 1}

    assert twice == {"Surroundings"}  # the probe's, and the type of what it reports


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import prefect.runtime", ["prefect.runtime"]),
        ("def f():\n    from prefect import flow", ["prefect", "prefect.flow"]),
        ("from . import loading", ["flows", "flows.loading"]),
        ("from .loading import run", ["flows.loading", "flows.loading.run"]),
        ("from edms_tasks import restore", ["edms_tasks", "edms_tasks.restore"]),
        ("import importlib\nimportlib.import_module('prefect')", ["importlib", "prefect"]),
        ("import importlib\nimportlib.import_module(name)", ["importlib"]),
    ],
)
def test_every_form_of_import_is_seen(source: str, modules: list[str]) -> None:
    assert [found.module for found in _imports_of("flows/backup.py", ast.walk(ast.parse(source)))] == modules


ENGINES = {"sqlite", "postgresql"}
NAME_ENGINES = ("edms_tasks/databases/", "edms_tasks/conversion/", "edms_tasks/inventory/probe.py", "reference_edms/")


def test_engines_are_named_in_their_rooms_alone() -> None:
    named = [
        f"{path}:{node.lineno}"
        for path in _sources()
        if not path.startswith(NAME_ENGINES)
        for node in _nodes(path)
        if isinstance(node, ast.Constant) and node.value in ENGINES
    ]

    assert not named


# What the reader of a longer one is told at its top.
LONG = "edms_tasks/inventory/probe.py"  # one file, since it is handed to another interpreter


def test_files_have_400_lines_at_most_and_functions_80() -> None:
    long = set()
    for path in _sources():
        text = (ROOT / path).read_text(encoding="utf-8")
        if path == LONG or path.startswith("reference_edms/"):
            continue
        if text.count("\n") > 400:
            long.add(path)
        long |= {
            f"{path}: {node.name}"
            for node in _nodes(path)
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 80
        }

    assert not long


def test_a_verb_fits_on_a_screen() -> None:
    long = [
        f"{path}: {node.name}"
        for path in _sources()
        if len(PurePosixPath(path).parts) == 2 and path.startswith("flows/")
        for node in _nodes(path)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]

    assert not long


def test_the_picture_of_the_house_is_of_the_imports_as_they_are() -> None:
    text = house.PAGE.read_text(encoding="utf-8")

    assert text == house.page_with_picture(text), "python -m tests.house draws it anew"


def test_rooms_use_each_other_one_way() -> None:
    assert house.circles() == []


def _is_plain(found: Import) -> bool:
    return found.module.partition(".")[0] in sys.stdlib_module_names | {"django"}


def _sources() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix()


def _nodes(path: str) -> tuple[ast.AST, ...]:
    return house.nodes(ROOT / path)


@cache
def _imports() -> tuple[Import, ...]:
    return tuple(one for file in _sources() for one in _imports_of(file, _nodes(file)))


def _imports_of(file: str, nodes: Iterable[ast.AST]) -> Iterator[Import]:
    for node in nodes:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(file, node.lineno, alias.name)
            case ast.ImportFrom(names=names):
                module = _absolute(file, node)
                yield Import(file, node.lineno, module)
                # `from edms_tasks import restore` imports a module as much as `import edms_tasks.restore` does.
                for alias in names:
                    yield Import(file, node.lineno, f"{module}.{alias.name}")
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(named)), *_],
            ):
                yield Import(file, node.lineno, named)


def _absolute(file: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = PurePosixPath(file).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])
