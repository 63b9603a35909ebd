"""The benchmarks open databases of both engines, and know their tables as the product does."""

from __future__ import annotations

import pytest

from benchmarks.open_database import name_of, open_database
from tests.reference_system import Engine, ReferenceEdmsFactory


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_tables_are_read_and_written(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, populate=False)
    with open_database(edms.database_url) as opened:
        tables = {table.id: table for table in opened.tables}
        assert {"documents_document", "django_content_type"} <= set(tables)
        groups = name_of(tables["auth_group"])
        assert opened.run(f"INSERT INTO {groups} (id, name) VALUES (77, 'seventy-seven')") == 1
        opened.reset_sequences([tables["auth_group"]])
        assert opened.rows(f"SELECT name FROM {groups} WHERE id = 77") == [("seventy-seven",)]
