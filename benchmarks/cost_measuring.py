"""Measure one subject: first backup, next backup, verify, proved restore, with processor seconds of every process that took part."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cost_points import VERBS, Cost, Point
from benchmarks.cost_subjects import Subject, build, change, size_of
from benchmarks.installation import Site, environment
from benchmarks.ours import Protected
from benchmarks.processors import forget_peak, peak_bytes, processor_seconds
from edms_tasks.repository.backends.s3_store import s3_client
from tests.reference_system import ReferenceEdms
from tests.stores.faulty_proxy import FaultyProxy
from tests.stores.s3_places import new_bucket, secret_options
from tests.stores.swift_server import S3Account, SwiftServer
from tests.workers.dask_cluster import DaskCluster, dask_cluster

_RESTORED = "capacity_restored"


@dataclass
class _Store:
    """The S3 server behind what counts its requests."""

    processes: Sequence[int]
    account: S3Account
    bucket: str
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/edms"

    def stored(self) -> int:
        pages = s3_client(secret_options(self.account.options), "").get_paginator("list_objects_v2")
        return sum(one["Size"] for page in pages.paginate(Bucket=self.bucket) for one in page.get("Contents", []))


@dataclass
class _Bench:
    """All that takes part in the runs of a subject."""

    site: Site
    protected: Protected
    store: _Store | None
    cluster: DaskCluster | None

    def stored(self) -> int:
        """Bytes that the repository holds."""
        if self.store is not None:
            return self.store.stored()
        return sum(path.stat().st_size for path in self.protected.repository.rglob("*") if path.is_file())

    def cost(self, *arguments: str) -> Cost:
        """Run a command, and add up what all processes did meanwhile."""
        assert self.site.server is not None  # the model is one of PostgreSQL
        self.site.settle()
        database, store = [self.site.server.process_id], self.store.processes if self.store else []
        workers = [process.pid for process in self.cluster.processes] if self.cluster else []
        for worker in workers:
            forget_peak(worker)
        asked, stored = len(self.store.asked) if self.store else 0, self.stored()
        before = [processor_seconds(group) for group in (database, store, *([one] for one in workers))]
        measured = self.protected.run(*arguments)
        after = [processor_seconds(group) for group in (database, store, *([one] for one in workers))]
        used = [round(late - early, 2) for early, late in zip(before, after, strict=True)]
        said = json.loads(measured.output)
        if said.get("problems") or said.get("failures") or not (said.get("verified") or said.get("success", True)):
            raise RuntimeError(f"{arguments[0]} found problems, so it is not measured: {measured.output[:2000]}")
        return Cost(
            program=round(measured.processor_seconds, 2),
            database=used[0],
            store=used[1],
            workers=used[2:],
            requests=len(self.store.asked) - asked if self.store else 0,
            stored=self.stored() - stored,
            peak=measured.peak_bytes,
            worker_peaks=[peak_bytes(worker) for worker in workers],
        )


def measure(subject: Subject, site: Site, folder: Path) -> Point:
    """Build a subject, run each verb once, and remove it. Raises RuntimeError where a run is not proved."""
    assert site.server is not None  # the model is one of PostgreSQL
    name = f"capacity_{len(list(folder.parent.iterdir()))}"
    edms = build(subject, site, name)
    size = size_of(edms)
    with _bench(subject, site, edms, folder) as bench:
        costs = {"first": bench.cost("backup")}
        change(subject, edms)
        costs["next"] = bench.cost("backup")
        costs["verify"] = bench.cost("verify")
        costs["restore"] = bench.cost(
            "restore", "latest", "--into", _RESTORED, "--into-files", str(folder / "restored"), "--yes"
        )
    for database in (_RESTORED, edms.database_name):
        site.server.drop_database(database)
    assert tuple(costs) == VERBS
    return Point(subject.name, subject.held_out, subject.store, subject.workers, size, costs)


@contextmanager
def _bench(subject: Subject, site: Site, edms: ReferenceEdms, folder: Path) -> Iterator[_Bench]:
    folder.mkdir()
    with ExitStack() as stack:
        store = stack.enter_context(_s3()) if subject.store == "s3" else None
        extra = "[validate]\ndjango_check = false\n"
        if store is not None:
            options = "".join(f"{name} = {value!r}\n" for name, value in store.account.options.items())
            extra += f"[repository.options]\n{options}"
        cluster = None
        if subject.workers:
            cluster = stack.enter_context(dask_cluster(folder / "dask"))
            scratch = str(folder / "scratch")
            extra += f'[run]\non = "dask"\nscheduler = "{cluster.address}"\nscratch = "{scratch}"\n'
        protected = Protected(edms, folder / "ours", store.url if store else "", extra)
        if cluster is not None:
            variables = {**environment(), "EDMS_BACKUP__EDMS__DATABASE_URL": edms.database_url}
            for _ in range(subject.workers):
                cluster.start_worker(protected.config, variables)
            cluster.wait_for(subject.workers)
        yield _Bench(site, protected, store, cluster)


@contextmanager
def _s3() -> Iterator[_Store]:
    server = SwiftServer()
    account = server.start()
    asked: list[str] = []
    mutex = threading.Lock()

    def counts(method: str, path: str) -> bool:
        with mutex:
            asked.append(method)
        return False  # it refuses nothing

    proxy = FaultyProxy(account.endpoint, every=0, refuses=counts)
    try:
        behind = S3Account(proxy.address, account.key, account.secret, account.region)
        yield _Store(server.process_ids, behind, new_bucket(account), asked)
    finally:
        proxy.close()
        server.stop()
