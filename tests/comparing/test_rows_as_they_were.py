"""A live table whose rows are proved to be the snapshot's is not compared again, unless rows that it refers to differ."""

from __future__ import annotations

import pytest

from edms_tasks.comparing.comparison_result import TableDifference
from edms_tasks.errors import DamagedRepository
from flows.diff import DiffResult
from tests.backed_up import BackedUp, BackedUpSystems
from tests.direct_access import execute
from tests.reference_system import ReferenceEdms
from tests.running import run_diff

pytestmark = pytest.mark.usefixtures("edms_asked_once")

# Another number is another natural key of the document.
_RENUMBERED = (
    "UPDATE documents_document SET number = 'RENUMBERED-1' WHERE id = (SELECT min(id) FROM documents_document)"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def system(request: pytest.FixtureRequest, backed_up: BackedUpSystems) -> BackedUp:
    return backed_up(request.param)


def compared(system: BackedUp) -> DiffResult:
    return run_diff(system.protected.settings, snapshot="latest")


def of_model(result: DiffResult, model: str) -> TableDifference:
    return next(table for table in result.difference.tables if table.model == model)


def lose_chunks(system: BackedUp) -> None:
    """Remove all stored rows of the snapshot; its manifest stays."""
    for entry in system.first.manifest.tables:
        for chunk in entry.chunks:
            name = chunk.object.sha256
            (system.protected.repository / "objects" / name[:2] / name).unlink(missing_ok=True)


def number_of(edms: ReferenceEdms, query: str) -> int:
    return int(edms.manage("shell", "-c", f"from documents.models import *; print({query})").stdout.split()[-1])


def test_a_system_as_it_was_is_compared_without_the_stored_rows(system: BackedUp) -> None:
    lose_chunks(system)

    result = compared(system)

    assert result.equal
    assert all(table.read and table.same == table.first_rows == table.second_rows for table in result.difference.tables)
    assert sum(table.same for table in result.difference.tables) == system.first.manifest.rows


def test_stored_rows_are_needed_as_soon_as_one_differs(system: BackedUp) -> None:
    lose_chunks(system)
    execute(system.protected.edms, _RENUMBERED)

    with pytest.raises(DamagedRepository):
        compared(system)


@pytest.mark.long
def test_rows_as_they_were_differ_if_what_they_refer_to_is_another(system: BackedUp) -> None:
    edms = system.protected.edms
    versions = number_of(edms, "DocumentVersion.objects.filter(document=Document.objects.order_by('pk')[0]).count()")
    execute(edms, _RENUMBERED)

    result = compared(system)

    documents, its_versions = (of_model(result, f"documents.{name}") for name in ("Document", "DocumentVersion"))
    assert (documents.added, documents.removed) == (1, 1)
    assert versions > 0
    assert its_versions.added == its_versions.removed == versions
    assert of_model(result, "users.User").differences == 0
