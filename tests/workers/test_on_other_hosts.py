"""Workers in network namespaces of their own, as on other machines: they reach database, store and scheduler through a network alone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.file_contents import FileMaker
from benchmarks.multiply import multiply
from benchmarks.orchestrator import Counter
from tests.independent_comparison import picture
from tests.reference_system import EdmsTemplates, LazyPostgres
from tests.running import run_backup, run_restore, run_verify
from tests.stores.s3_places import new_bucket
from tests.stores.swift_server import S3Account
from tests.workers.network_namespaces import hosts
from tests.workers.system_on_dask import content, system_on_dask

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ROWS, FILES = 50_000, 4_100


def test_two_hosts_back_up_verify_and_restore_what_one_machine_does(
    tmp_path: Path, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres, s3_account: S3Account
) -> None:
    with hosts(2) as machines:
        store = urlsplit(s3_account.endpoint).port
        database = _lazy_postgres.server.port
        assert store is not None
        to_store, to_database = (Counter(port, host=machines.here) for port in (store, database))
        options = {**s3_account.options, "endpoint_url": f"http://{machines.here}:{to_store.own_port}"}
        with system_on_dask(
            _edms_templates,
            tmp_path,
            "other_hosts",
            documents=20,
            url=f"s3://{new_bucket(s3_account)}/edms",
            options=options,
            workers=0,
            host=machines.here,
        ) as system:
            multiply(system.edms.database_url, ROWS)
            FileMaker(seed=1).write(system.edms.media / f"{number // 50}" / f"{number}.bin" for number in range(FILES))
            before = picture(system.edms)
            there = system.edms.database_url.replace(f"127.0.0.1:{database}", f"{machines.here}:{to_database.own_port}")
            for address, command in machines.others:
                variables = {"EDMS_BACKUP__EDMS__DATABASE_URL": there}
                system.cluster.start_worker(system.config, variables, before=command, host=address)
            system.cluster.wait_for(2)

            made = run_backup(system.settings, create_repository=True)
            done = system.tasks_done()
            alone = run_backup(system.on_threads)
            problems = run_verify(system.settings).problems
            restored = run_restore(system.settings, snapshot=made.snapshot_id)
            after = picture(system.edms)
    _lazy_postgres.server.drop_databases("other_hosts")
    assert sorted(urlsplit(worker).hostname or "" for worker in done) == sorted(one for one, _ in machines.others)
    assert all(done.values())  # both took part
    assert made.verified and made.manifest.rows >= ROWS
    assert content(made.manifest) == content(alone.manifest)
    assert problems == ()
    assert restored.verdict == "proved"
    assert after == before
