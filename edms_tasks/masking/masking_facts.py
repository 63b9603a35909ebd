"""What was masked in a copy, and what the search of it found: for the report, the log, and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edms_tasks.count_text import count_text
from edms_tasks.masking.search import Hit


@dataclass(frozen=True)
class MaskingFacts:
    """The evidence of a masked copy.

    Args:
        columns: a line for each masked column: "users.User.email: email".
        emptied: label of a table whose rows are left out -> rows.
        files: root -> what became of its files, in words.
        untouched: number of tables in which nothing is masked.
        key: where the key of the pseudonyms comes from.
        values: number of different original values that were searched for in all columns.
        only_in_texts: masked column -> number of its values that were searched for in texts, and not in columns of numbers and dates.
        too_short: masked column -> number of its values that are too short or have no word to be searched for.
        not_personal: number of values that the rules call not personal.
        searched: number of columns that were searched, of all tables.
        not_searched: columns and tables that were not.
        computed: columns that the database computes in tables with masked ones, which are not compared.
        left_out: search indexes that come back empty, since their own form cannot be masked.
        hits: where original values were found.
        warnings: sentences on what looks personal and is not masked.
    """

    columns: tuple[str, ...]
    emptied: Mapping[str, int]
    files: Mapping[str, str]
    untouched: int
    key: str
    values: int = 0
    only_in_texts: Mapping[str, int] = field(default_factory=dict)
    too_short: Mapping[str, int] = field(default_factory=dict)
    not_personal: int = 0
    searched: int = 0
    not_searched: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each place with original values."""
        return tuple(
            f"{hit.where}: {hit.rows:,} {'row holds' if hit.rows == 1 else 'rows hold'} an original value of a masked column"
            for hit in self.hits
        )

    @property
    def verdict(self) -> str:
        """What is equal, what is masked and what was searched for, in a sentence."""
        masked = f"{count_text(len(self.columns), 'column')} masked"
        if self.emptied:
            masked += f" and {count_text(len(self.emptied), 'table')} left empty"
        found = (
            f"none of {count_text(self.values, 'original value')} found" if not self.hits else "ORIGINAL VALUES FOUND"
        )
        return (
            f"{count_text(self.untouched, 'table')} equal; {masked}, {found} in {count_text(self.searched, 'column')}"
        )

    def notes(self) -> tuple[str, ...]:
        """Sentences on what the masking does not cover."""
        said = [f"Files of {root}: {what}" for root, what in self.files.items()]
        if self.too_short:
            said.append(f"Values too short to be searched for: {_listed(self.too_short)}.")
        if self.only_in_texts:
            said.append(f"Searched for in texts, not in columns of numbers and dates: {_listed(self.only_in_texts)}.")
        if self.not_searched:
            said.append(f"Not searched for original values: {', '.join(self.not_searched)}.")
        if self.not_personal:
            said.append(f"The rules call {self.not_personal:,} values not personal; they were not searched for.")
        if self.computed:
            said.append(f"Computed by the database, searched and not compared: {', '.join(self.computed)}.")
        if self.left_out:
            said.append(f"Search indexes that come back empty: {', '.join(self.left_out)}. Rebuild them from the EDMS.")
        return (*said, *self.warnings)

    def as_json(self) -> dict[str, Any]:
        """The facts for reports and `--json`; no value is in them."""
        return {
            "columns": list(self.columns),
            "emptied": dict(self.emptied),
            "files": dict(self.files),
            "untouched_tables": self.untouched,
            "key": self.key,
            "values_searched_for": self.values,
            "searched_for_in_texts_only": dict(self.only_in_texts),
            "too_short": dict(self.too_short),
            "not_personal": self.not_personal,
            "columns_searched": self.searched,
            "not_searched": list(self.not_searched),
            "computed": list(self.computed),
            "left_out": list(self.left_out),
            "hits": [{"where": hit.where, "rows": hit.rows} for hit in self.hits],
            "warnings": list(self.warnings),
            "summary": self.verdict,
        }


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} ({count:,})" for label, count in counts.items())
