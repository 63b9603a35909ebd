"""What the search for undeclared ids covered, for the plan and the report."""

from __future__ import annotations

from edms_tasks.inventory.model import Value


class SearchCoverage(Value):
    """What was searched for undeclared ids."""

    models: tuple[str, ...] = ()  # whose ids change; none: nothing had to be looked through
    columns: int = 0
    files: int = 0  # names of files
    accepted: tuple[str, ...] = ()  # what looked like ids and is none, by the user's word
