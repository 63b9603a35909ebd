"""Which definitions the product finds to differ between a captured schema and a database, as its validation does."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema
from edms_tasks.structure.definitions_compared import DefinitionComparison, compare_definitions


def capture(url: str, folder: Path) -> CapturedSchema:
    """The schema as a backup captures it."""
    folder.mkdir(parents=True)
    with open_database(DatabaseAddress.from_url(url)).view(folder, 1) as view:
        return view.capture_schema(folder / "captured")


def compare(captured: CapturedSchema, url: str, folder: Path) -> DefinitionComparison:
    """The captured schema against a database."""
    folder.mkdir(parents=True)
    database = open_database(DatabaseAddress.from_url(url))
    with database.view(folder, 1) as view:
        again = view.capture_schema(folder / "again")
        return compare_definitions(captured, again, view, database, folder / "replayed")


def differences(captured: CapturedSchema, url: str, folder: Path) -> dict[str, str]:
    """By name of what differs, all that is said of it."""
    found = compare(captured, url, folder).differences
    said = {one.subject: f"{one.was} | {one.now}" for one in found}
    assert len(said) == len(found)
    return said
