"""The options of a merge: the selection of rows, and the policies for rows that are on both sides and differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edms_tasks.errors import CommandError
from edms_tasks.inventory.model import Table
from edms_tasks.merging.planning import Policy
from edms_tasks.merging.selection import Selector
from edms_tasks.settings import Settings
from flows.requests import MergeRequest


@dataclass(frozen=True)
class Policies:
    """What happens to rows that are on both sides and differ: a default, and exceptions for models."""

    default: Policy = "overwrite"
    models: Mapping[str, Policy] | None = None

    def of(self, table: Table) -> Policy:
        """The policy for a table, by its model's label or the table's name."""
        named = {name.lower(): policy for name, policy in (self.models or {}).items()}
        return named.get(table.label.lower()) or named.get(table.id.lower()) or self.default

    def require_known(self, tables: Sequence[Table]) -> None:
        """Check that each exception names a model or a table; raises CommandError."""
        known = {table.label.lower() for table in tables} | {table.id.lower() for table in tables}
        for name in self.models or {}:
            if name.lower() not in known:
                raise CommandError(
                    f"There is no model {name!r} in the snapshot.",
                    where="--on-conflict",
                    fix="`edms-backup show` lists the models.",
                )


@dataclass(frozen=True)
class MergeChoices:
    """The selection and the policies, parsed from the request."""

    policies: Policies
    selectors: Sequence[Selector] = ()  # none: the whole snapshot
    with_dependents: bool = False
    rename_files: bool = False
    not_references: Sequence[str] = ()  # columns and file names that the user declares to contain no ids

    @classmethod
    def of(cls, request: MergeRequest, settings: Settings) -> MergeChoices:
        """Parse the request and the settings; raises CommandError for a selector or policy that cannot be parsed."""
        accepted = tuple(dict.fromkeys((*settings.merge.not_references, *request.not_references)))
        selectors = [Selector.parse(text) for text in request.only]
        return cls(
            Policies(request.on_conflict, request.models),
            selectors,
            request.with_dependents,
            request.rename_files,
            accepted,
        )
