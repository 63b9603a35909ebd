"""What a run measured and did, in plain values: the same for Prefect's artifacts, for the page and for the JSON of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from edms_tasks.inventory.model import Finding


@dataclass(frozen=True)
class Paragraph:
    """A subheading with lines, or with a text.

    Args:
        title: the subheading.
        lines: foreign text, a line each.
        text: our own words, with commands in backticks and `{}` for each of `values`.
        values: foreign text for it.
    """

    title: str
    lines: tuple[str, ...] = ()
    text: str = ""
    values: tuple[object, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, and is left out."""
        return not self.lines and not self.text

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {"title": self.title, "text": self.text.format(*self.values), "lines": list(self.lines)}


@dataclass(frozen=True)
class Sheet:
    """A table: what was expected and found, of each model, folder or snapshot."""

    key: str
    title: str
    description: str
    rows: Sequence[Mapping[str, object]]

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        rows = [{name: _plain(value) for name, value in row.items()} for row in self.rows]
        return {"title": self.title, "description": self.description, "rows": rows}


@dataclass(frozen=True)
class Body:
    """The body of a run's evidence.

    Args:
        heading: the verdict, a few words.
        facts: names with values; empty values are left out.
        sections: what is wrong, notes, and so on.
        sheets: tables.
        findings: what an administrator should know.
        plain: a sentence below the heading; "" for none.
    """

    heading: str
    facts: tuple[tuple[str, object], ...] = ()
    sections: tuple[Paragraph, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    findings: tuple[Finding, ...] = ()
    plain: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the report. Examples of findings are left out: they may be values of rows."""
        return {
            "verdict": self.heading,
            "explanation": self.plain,
            "facts": [{"name": name, "value": _plain(value)} for name, value in self.facts if value not in ("", None)],
            "sections": [one.as_json() for one in self.sections if not one.is_empty],
            "tables": [one.as_json() for one in self.sheets],
            "findings": [
                {
                    "code": one.code,
                    "severity": one.severity,
                    "subject": one.subject,
                    "message": one.message,
                    "count": one.count,
                }
                for one in self.findings
            ],
        }


@dataclass
class Gathered:
    """The evidence that a run has left so far.

    Args:
        body: what it measured and did; None as long as it has not come to that.
        page: a page of its own kind, such as the recovery report; None for the common one.
        details: what that page shows, as JSON.
        data_docs: the Data Docs, on the machine of the run.
        versions: of the EDMS and its database.
        snapshot_made: when the snapshot was made that the run made or restored.
    """

    body: Body | None = None
    page: Path | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    data_docs: Path | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    snapshot_made: datetime | None = None


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | None) else str(value)
