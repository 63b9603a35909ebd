"""The types of a validation's result: checks in suites, the verdict, and the failures.

They are not in `validate.py`, so that reports and the command line can use them without importing Great Expectations. Results
contain counts, digests and file paths, never values of the EDMS's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class CheckResult:
    """One expectation: what it checked, what was expected and what was observed."""

    name: str
    description: str
    success: bool
    errored: bool  # it could not be evaluated, which counts as failed
    expected: str
    observed: str
    message: str
    reference: str = ""  # the reference that it checks; "" for other checks
    counts: Mapping[str, int] | None = None  # name -> count by the restored database


@dataclass(frozen=True)
class SuiteResult:
    """The result of one suite."""

    subject: str  # Table.id, "digests", "files", or the title of an owner's suite
    title: str
    evaluated: int
    passed: int
    errored: int
    checks: tuple[CheckResult, ...]
    owners: bool = False  # from the folder of the setting [validate] suites

    @property
    def success(self) -> bool:
        """Whether something was evaluated and all of it passed."""
        return self.evaluated > 0 and self.passed == self.evaluated


@dataclass(frozen=True)
class Failure:
    """A reason why a restore is not proved: the subject, the check, and what was found."""

    subject: str
    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.check}: {self.message}"


@dataclass(frozen=True)
class ValidationResult:
    """The verdict on a restored database and its files."""

    success: bool
    suites: tuple[SuiteResult, ...]
    failures: tuple[Failure, ...]
    data_docs: Path  # index.html
    seconds: float

    @property
    def evaluated(self) -> int:
        """The number of expectations that were evaluated in all suites."""
        return sum(suite.evaluated for suite in self.suites)

    def as_json(self) -> dict[str, Any]:
        """For `--json`, reports and artifacts."""
        return {
            "success": self.success,
            "evaluated": self.evaluated,
            "failures": [{"subject": f.subject, "check": f.check, "message": f.message} for f in self.failures],
            "suites": [
                {
                    "subject": suite.subject,
                    "title": suite.title,
                    "success": suite.success,
                    "evaluated": suite.evaluated,
                    "passed": suite.passed,
                    "errored": suite.errored,
                    "checks": [vars(check) for check in suite.checks],
                }
                for suite in self.suites
            ],
            "data_docs": str(self.data_docs),
            "seconds": round(self.seconds, 3),
        }


class StructureLine(Protocol):
    """The part of `structure.StructureCheck` that a validation needs."""

    @property
    def subject(self) -> str: ...  # noqa: D102

    @property
    def measure(self) -> str: ...  # noqa: D102

    @property
    def expected(self) -> str: ...  # noqa: D102

    @property
    def found(self) -> str: ...  # noqa: D102


class FileCheckLike(Protocol):
    """The part of `edms_tasks.files.FileCheck` that a validation needs."""

    @property
    def root(self) -> str: ...  # noqa: D102
    @property
    def expected(self) -> int: ...  # noqa: D102
    @property
    def found(self) -> int: ...  # noqa: D102
    @property
    def expected_digest(self) -> str: ...  # noqa: D102
    @property
    def found_digest(self) -> str: ...  # noqa: D102
    @property
    def missing(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def altered(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def unexpected(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def missing_count(self) -> int: ...  # noqa: D102
    @property
    def altered_count(self) -> int: ...  # noqa: D102
    @property
    def unexpected_count(self) -> int: ...  # noqa: D102
