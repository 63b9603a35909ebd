"""An oracle nobody here wrote: Django's own `dumpdata` says the same of the source and of what was restored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.reference_system import Engine, ReferenceEdms
from tests.restored_system import RecoveredSystems

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
MANY_TO_MANY = {"document_types", "reviewers", "groups", "permissions", "user_permissions"}


@pytest.mark.long  # pg_dump and sqlite3 compare them in each other cycle
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_dumpdata_of_the_source_and_of_the_restored_system_are_equal(
    engine: Engine, recovered_systems: RecoveredSystems
) -> None:
    recovered = recovered_systems(engine)

    source, restored = _dumpdata(recovered.source), _dumpdata(recovered.restored)

    assert len(source) > 300, "an oracle that is asked about nothing says nothing"
    assert {str(row["model"]) for row in source} >= {
        "audit.audittrail",
        "auth.permission",
        "contenttypes.contenttype",
        "documents.document",
        "security.electronicsignature",
        "users.user",
        "workflows.documenttransition",
    }
    assert restored == source


def _dumpdata(edms: ReferenceEdms) -> list[dict[str, Any]]:
    """All models of the EDMS and of Django; every row in `dumpdata`'s own order."""
    target = edms.media.parent / f"{edms.media.parent.name}-dump.json"
    edms.manage("dumpdata", "--natural-foreign", "--natural-primary", "--output", str(target))
    rows: list[dict[str, Any]] = json.loads(target.read_text(encoding="utf-8"))
    target.unlink()
    return [_with_ordered_links(row) for row in rows]


def _with_ordered_links(row: dict[str, Any]) -> dict[str, Any]:
    # Django asks for the links of a many-to-many without an order, so that the planner's mood decides on it.
    fields = {name: sorted(value) if name in MANY_TO_MANY else value for name, value in row["fields"].items()}
    return {**row, "fields": fields}
