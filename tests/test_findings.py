"""The registry of findings: what is raised is registered, what is registered is raised, and the page shows all of it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from edms_tasks.doctor.assessment import assessed
from edms_tasks.findings import GROUPS, REGISTRY, make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.merging.conflicts import make_conflict
from tests import findings_page, house

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for package in ("edms_tasks", "flows")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.parent != ROOT / "edms_tasks" / "findings"
]
PROBE = ROOT / "edms_tasks" / "inventory" / "probe.py"  # writes findings without importing anything of ours


def test_every_code_is_registered_once() -> None:
    counts = Counter(kind.code for kinds in GROUPS.values() for kind in kinds)

    assert not [code for code, count in counts.items() if count > 1]


def test_every_kind_has_a_severity_and_a_meaning() -> None:
    assert all(kind.severities and kind.means.endswith(".") for kind in REGISTRY.values())


def test_every_code_that_is_raised_is_registered() -> None:
    assert {code for path in SOURCES for code in _raised_by_name(path)} <= set(REGISTRY)


def test_every_registered_code_is_raised() -> None:
    assert set(REGISTRY) <= {text for path in SOURCES for text in _arguments(path)}


def test_findings_are_made_by_the_registry_alone() -> None:
    made = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call in _calls(path)
        if _name(call) in ("Finding", "Assessment")
    ]

    assert not made


def test_conflicts_are_made_by_the_registry_alone() -> None:
    made = {path.name for path in SOURCES for call in _calls(path) if _name(call) == "Conflict"}

    assert made == {"conflicts.py"}  # make_conflict


def test_a_conflict_says_what_the_registry_says_unless_it_has_particulars() -> None:
    kind = REGISTRY["doubled-key"]
    plain = make_conflict("doubled-key", "documents.Document", count=2)
    particular = make_conflict("doubled-key", "documents.Document", "Two of three.", count=2, fix="Renumber them.")

    assert (plain.severity, plain.message, plain.fix) == ("error", kind.means, kind.fix)
    assert (particular.message, particular.fix) == ("Two of three.", "Renumber them.")


def test_a_conflict_that_is_not_registered_is_refused() -> None:
    with pytest.raises(ValueError, match="not registered"):
        make_conflict("no-such-conflict", "documents.Document", count=1)


def test_the_probe_gives_its_findings_registered_severities() -> None:
    calls = [call for call in _calls(PROBE) if _name(call) == "finding"]

    assert calls
    for call in calls:
        code, severity = (ast.literal_eval(argument) for argument in call.args[:2])
        assert severity in REGISTRY[code].severities


def test_a_finding_that_is_not_registered_is_refused() -> None:
    with pytest.raises(ValueError, match="not registered"):
        make_finding("no-such-finding", "subject")


def test_a_severity_that_a_kind_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="severity 'error'"):
        make_finding("orphan-files", "subject", severity="error")

    finding = make_finding("orphan-files", "subject")
    with pytest.raises(ValueError, match="severity 'error'"):
        assessed(finding, severity="error")


def test_a_severity_that_depends_on_the_situation_is_named() -> None:
    with pytest.raises(ValueError, match="several severities"):
        make_finding("dangling-reference", "subject")


def test_a_finding_says_what_the_registry_says_unless_it_has_particulars() -> None:
    kind = REGISTRY["missing-file"]

    assert make_finding("missing-file", "subject") == Finding(
        code="missing-file", severity="warning", subject="subject", message=kind.means, fix=kind.fix
    )
    assert make_finding("missing-file", "subject", "Two of three.", fix="").message == "Two of three."
    assert make_finding("missing-file", "subject", fix="").fix == ""


def test_the_page_of_findings_is_up_to_date() -> None:
    page = findings_page.PAGE.read_text(encoding="utf-8")

    assert page == findings_page.page_with_tables(page), "run: python -m tests.findings_page"


@cache
def _calls(path: Path) -> tuple[ast.Call, ...]:
    return tuple(node for node in house.nodes(path) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _raised_by_name(path: Path) -> Iterator[str]:
    """The codes that are written where a finding is made."""
    for call in _calls(path):
        if _name(call) in ("make_finding", "make_conflict") and call.args and isinstance(call.args[0], ast.Constant):
            yield call.args[0].value
        if _name(call) == "finding" and path == PROBE:
            yield ast.literal_eval(call.args[0])


def _arguments(path: Path) -> Iterator[str]:
    """Every text that is handed to a call, returned or put into a tuple: codes travel to `make_finding` that way."""
    for node in house.nodes(path):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Call):
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Tuple):
            parts = node.elts
        elif isinstance(node, ast.IfExp):
            parts = [node.body, node.orelse]
        elif isinstance(node, ast.Return) and node.value is not None:
            parts = [node.value]
        yield from (part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
