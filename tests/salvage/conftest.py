"""Systems that are backed up twice, once for all tests here: none may change them but inside `damaged`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.direct_access import execute, query
from tests.one_per_engine import OnePerEngine
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdmsFactory
from tests.running import protect
from tests.salvage.damaged_system import NEW_FILE, System

# A value that makes its whole column be carried in another way: without it, the rest would be carried as what it is.
ODD = {
    "sqlite": "UPDATE documents_document SET external_reference = 'not a number' WHERE id = {id}",
    "postgresql": "UPDATE documents_document SET effective_date = 'infinity' WHERE id = {id}",
}
CHANGES = (
    "UPDATE documents_documentcomment SET text = text || ' (corrected)' WHERE id IN "
    "(SELECT id FROM documents_documentcomment ORDER BY id LIMIT 2)",
    "DELETE FROM documents_documentcomment WHERE id = (SELECT max(id) FROM documents_documentcomment WHERE parent_id IS NULL)",
    f"UPDATE documents_documentversion SET file = '{NEW_FILE}' WHERE id = (SELECT max(id) FROM documents_documentversion)",
)


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Callable[[Engine], System]:
    """`systems("sqlite")`: backed up, changed, and backed up again; tables and files in several objects."""

    def make(engine: Engine, factory: ReferenceEdmsFactory, folder: Path) -> System:
        edms = factory(engine, documents=20)
        protected = protect(edms, folder, top="chunk_rows = 7", extra="[validate]\ndjango_check = false")
        ((odd,),) = query(edms, "SELECT id FROM documents_document ORDER BY id LIMIT 1 OFFSET 10")
        execute(edms, ODD[engine].format(id=odd))
        first = protected.backup()
        execute(edms, *CHANGES)
        new = edms.media / NEW_FILE
        new.parent.mkdir(parents=True)
        new.write_bytes(b"written between the two backups")
        return System(protected, protected.backup("second").snapshot_id, first.snapshot_id, odd)

    return OnePerEngine("salvage", make, tmp_path_factory, _edms_templates)


@pytest.fixture(scope="module", autouse=True)
def _edms_asked_once(edms_asked_once: None) -> None:
    """Nothing here changes what the EDMS says of itself."""
