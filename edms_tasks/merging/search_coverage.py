"""What the search for undeclared ids covered, for the plan and the report."""

from __future__ import annotations

from edms_tasks.inventory.model import Value


class SearchCoverage(Value):
    """What was searched for undeclared ids."""

    models: tuple[str, ...] = ()  # models whose ids change; none: nothing was searched
    columns: int = 0
    files: int = 0  # number of file names
    unread: tuple[str, ...] = ()  # columns with values in which no ids could be looked for: bytes that are no text
    accepted: tuple[str, ...] = ()  # columns and patterns that look like ids, but the user declares that they are not
