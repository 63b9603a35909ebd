"""Tables so large that several workers read parts of them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import psycopg
import pytest

from edms_tasks.settings import load_settings
from flows.running.sent_values import Sender
from tests.reference_system import EdmsTemplates, LazyPostgres, ReferenceEdmsFactory
from tests.running import run_backup, run_restore
from tests.workers.system_on_dask import content, system_on_dask

ROWS = 200_000


def test_mappings_that_cannot_be_changed_are_sent(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    config = edms_factory("sqlite", documents=5).settings_file(tmp_path / "edms-backup.toml", tmp_path / "repository")
    sender = Sender(load_settings(config))
    for value in (MappingProxyType({}), {"a": MappingProxyType({"b": (1, 2)})}):
        found = sender.unpickled(sender.pickled(value))
        assert found == value
        assert type(found) is type(value)


@pytest.mark.long
@pytest.mark.usefixtures("edms_asked_once")
def test_a_table_of_several_parts_is_backed_up_and_restored_by_two_workers(
    tmp_path: Path, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> None:
    url = str(tmp_path / "repository")
    with system_on_dask(
        _edms_templates, tmp_path, "large_tables", documents=5, url=url, options={}, workers=2
    ) as system:
        with psycopg.connect(system.edms.database_url) as connection:
            connection.execute("CREATE TABLE large (id bigint PRIMARY KEY, of_id bigint NOT NULL, told text NOT NULL)")
            connection.execute(
                "INSERT INTO large SELECT k, k / 7, md5(k::text) || repeat(md5((-k)::text), 4) FROM generate_series(1, %s) k",
                [ROWS],
            )
        before = sum(system.tasks_done().values())
        made = run_backup(system.settings, create_repository=True)
        tasks = sum(system.tasks_done().values()) - before
        alone = run_backup(system.on_threads)
        restored = run_restore(system.settings, snapshot=made.snapshot_id)
    _lazy_postgres.server.drop_databases("large_tables")
    assert made.verified and made.manifest.rows >= ROWS
    # Each table is extracted, serialized, stored and verified; the large one in parts.
    assert tasks > 4 * len(made.manifest.tables)
    assert content(made.manifest) == content(alone.manifest)
    assert restored.verdict == "proved"
