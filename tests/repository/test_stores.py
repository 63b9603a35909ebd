"""What stands between the repository and a server: retries, limits, parts, listings, and the lock of a server."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from edms_tasks.errors import RepositoryForbidden, RepositoryLocked, RepositoryUnreachable
from edms_tasks.repository import Repository, repository_lock
from edms_tasks.repository.backends import store_backend
from edms_tasks.repository.backends.limited import Bandwidth, Limited
from edms_tasks.repository.backends.object_store import ObjectStore
from edms_tasks.repository.backends.retrying import ATTEMPTS_OF_THE_FIRST, Retrying
from edms_tasks.repository.backends.store_backend import StoreBackend
from edms_tasks.repository.repository_lock import NAME
from edms_tasks.repository.unlocking import find_locks, remove_locks
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import manifest_of
from tests.stores.memory_store import MemoryStore
from tests.stores.watched_stores import CountedStore, FaultyStore, wrapping

SETTINGS = RepositorySettings(url="s3://bucket/backups")


def opened(store: ObjectStore) -> Repository:
    with wrapping(lambda real: store):
        return Repository.create(SETTINGS)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_backend, "PART", 1000)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries do not wait; these are the pauses that they would have made."""
    pauses: list[float] = []
    init = Retrying.__init__
    monkeypatch.setattr(Retrying, "__init__", lambda self, store: init(self, store, sleep=pauses.append))
    return pauses


def test_pauses_grow_and_differ(no_pauses: list[float]) -> None:
    store = Retrying(FaultyStore(MemoryStore(), "down", at=2, times=6))  # type: ignore[call-arg]
    store.size("first")
    assert store.size("x") is None
    assert len(no_pauses) == 6
    assert all(0.125 * 2**n <= pause <= 0.25 * 2**n for n, pause in enumerate(no_pauses))


def test_it_gives_up_with_the_reason(no_pauses: list[float]) -> None:
    store = Retrying(FaultyStore(MemoryStore(), "down", at=2, times=100))
    store.size("first")
    with pytest.raises(RepositoryUnreachable, match="asked 8 times"):
        store.put("x", b"")
    assert len(no_pauses) == 7


def test_a_server_that_never_answered_is_not_asked_for_minutes(no_pauses: list[float]) -> None:
    with pytest.raises(RepositoryUnreachable):
        Retrying(FaultyStore(MemoryStore(), "down", at=1, times=100)).size("x")
    assert len(no_pauses) == ATTEMPTS_OF_THE_FIRST - 1


def test_what_is_refused_is_not_asked_again(no_pauses: list[float]) -> None:
    class Refusing(MemoryStore):
        def size(self, name: str) -> int | None:
            raise RepositoryForbidden("no")

    with pytest.raises(RepositoryForbidden):
        Retrying(Refusing()).size("x")
    assert no_pauses == []


def test_an_object_that_is_created_once_counts_as_created_if_only_the_answer_was_lost(no_pauses: list[float]) -> None:
    store = MemoryStore()
    assert Retrying(FaultyStore(store, "answer lost", at=1)).put_new("lock", b"mine")
    assert not Retrying(FaultyStore(store, "answer lost", at=1)).put_new("lock", b"other")
    assert store.objects["lock"] == b"mine"


def test_limits_hold_for_all_threads_together() -> None:
    clock, slept = itertools.repeat(100.0), Counter[str]()

    def waits(kind: str) -> Bandwidth:
        def sleep(seconds: float) -> None:
            slept[kind] = max(slept[kind], int(seconds))

        return Bandwidth(1000, now=lambda: next(clock), sleep=sleep)

    store = Limited(MemoryStore(), waits("up"), waits("down"))
    for n in range(5):
        store.put(f"{n}", b"x" * 2000)
    store.read("0", 0, 3000)
    assert slept == {"up": 10, "down": 2}


@pytest.mark.parametrize("size", [0, 999, 1000, 1001, 5000, 5001])
def test_large_objects_go_in_parts_and_come_back_whole(small_parts: None, size: int) -> None:
    store = MemoryStore()
    backend = StoreBackend(store)
    data = bytes(n % 251 for n in range(size))
    backend.write("x", iter([data[n : n + 300] for n in range(0, size, 300)]))
    assert store.objects["x"] == data
    assert backend.opened("x")[0] == size
    assert b"".join(backend.blocks("x")) == data
    assert backend.read("x", 1500) == data[:1501]
    assert store.uploads == {}


def test_a_source_that_breaks_off_leaves_nothing(small_parts: None) -> None:
    store = MemoryStore()

    def breaking() -> Iterator[bytes]:
        yield b"x" * 5000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StoreBackend(store).write("x", breaking())
    assert (store.objects, store.uploads) == ({}, {})


def test_listings_have_all_pages() -> None:
    store = MemoryStore(page=7)
    for n in range(50):
        store.put(f"objects/{n:02}", b"")
    assert [name for name, _ in StoreBackend(store).names("objects")] == [f"objects/{n:02}" for n in range(50)]


def test_many_objects_are_asked_for_by_listing_them_once() -> None:
    counts: Counter[str] = Counter()
    store = MemoryStore()
    for n in range(2500):
        store.put(f"objects/{n}", b"xy")
    backend = StoreBackend(CountedStore(store, counts))
    with backend.listed_once():
        backend.write("objects/new", [b"abc"])
        sizes = [backend.size_when_listed(f"objects/{n}") for n in range(3000)]
        assert backend.size_when_listed("objects/new") == 3
        backend.remove("objects/7")
        assert backend.size_when_listed("objects/7") is None
    assert sizes == [2] * 2500 + [None] * 500
    assert counts["page objects"] == 3
    assert counts["size objects"] == 0
    store.remove("objects/8")
    assert backend.size_when_listed("objects/8") is None


FAULTS = ["down", pytest.param("answer lost", marks=pytest.mark.long), pytest.param("twice", marks=pytest.mark.long)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_survives_a_fault_at_each_of_its_requests(small_parts: None, no_pauses: list[float], fault: str) -> None:
    for at in itertools.count(1):
        store = MemoryStore()
        faulty = FaultyStore(store, fault, at)
        repository = opened(faulty)
        with repository.lock("backup"):
            run = repository.begin()
            objects = [repository.put_bytes(b"%d" % n * 1500) for n in range(3)]
            snapshot = repository.write_snapshot(manifest_of(objects[0]))
            repository.write_head("edms", snapshot, 1)
            swept = repository.finish(run)
        assert swept.objects == 0
        assert repository.snapshots() == (snapshot,)
        assert [repository.read(ref) for ref in objects] == [b"%d" % n * 1500 for n in range(3)]
        assert {name for name in store.objects if name.startswith(("locks/", "pending/"))} == set()
        if faulty.asked < at:
            break
    assert at > 20


def test_a_run_that_fails_at_any_request_is_followed_by_one_that_succeeds(
    small_parts: None, no_pauses: list[float]
) -> None:
    for at in itertools.count(1):
        store = MemoryStore()
        faulty = FaultyStore(store, "down", at, times=10_000)
        failed = True
        try:
            _back_up(opened(faulty))
            failed = False
        except RepositoryUnreachable:
            pass
        for name in [name for name in store.objects if name.startswith("locks/")]:
            store.times[name] -= 1000  # two minutes later
        repository = opened(store)
        snapshot = _back_up(repository)
        assert snapshot in repository.snapshots()
        assert repository.damaged_snapshots() == ()
        if not failed:
            break
    assert at > 20


def _back_up(repository: Repository) -> str:
    with repository.lock("backup"):
        run = repository.begin()
        ref = repository.put_bytes(b"x" * 2500)
        snapshot = repository.write_snapshot(manifest_of(ref))
        repository.finish(run)
    return snapshot


# -- the lock ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["yes", "refused", "ignored"])
def lockable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store with conditional writes, one that knows none, and one that takes no notice of them."""
    monkeypatch.setattr(repository_lock, "SETTLE_SECONDS", 0.0)  # what is in memory is seen at once
    return MemoryStore(conditional=request.param)


class Together:
    """Runs that start together. Their pause for claims to become visible lasts until each has claimed the lock or was refused."""

    def __init__(self, runs: int) -> None:
        self.undecided, self.inside, self.most, self.ended = runs, 0, 0, Counter[str]()
        self.changed = threading.Condition()

    def pause(self, seconds: float) -> None:
        with self.changed:
            self._decide()
            assert self.changed.wait_for(lambda: self.undecided <= 0, timeout=300)

    def hold(self) -> None:
        """Have the lock until all others are refused, or have it too."""
        with self.changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._decide()
            self.changed.wait_for(lambda: self.ended["refused"] == 5 or self.most > 1, timeout=300)
            self.inside -= 1

    def end(self, how: str) -> None:
        with self.changed:
            self.ended[how] += 1
            self._decide()

    def _decide(self) -> None:
        self.undecided -= 1
        self.changed.notify_all()


def test_of_runs_that_start_together_one_has_the_lock(lockable: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    repositories = [opened(lockable) for _ in range(6)]
    together, start = Together(6), threading.Barrier(6)
    clock = SimpleNamespace(sleep=together.pause, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(repository_lock, "time", clock)

    def work(repository: Repository) -> None:
        start.wait()
        try:
            with repository.lock("backup"):
                together.hold()
                repository.require_lock()
            together.end("held")
        except RepositoryLocked:
            together.end("refused")

    threads = [threading.Thread(target=work, args=(one,)) for one in repositories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together.most == 1
    assert together.ended == {"held": 1, "refused": 5}
    assert [name for name in lockable.objects if name.startswith("locks/")] == []


def test_a_lock_is_respected_by_whoever_comes_later(lockable: MemoryStore) -> None:
    first, second = opened(lockable), opened(lockable)
    with first.lock("nightly"):
        with pytest.raises(RepositoryLocked, match="nightly"), second.lock("mine"):
            pass
        first.require_lock()
    with second.lock("mine"):
        pass


def foreign_lock(store: MemoryStore, *, age: float, **changes: object) -> None:
    body = {"token": "f" * 32, "pid": 1, "host": "elsewhere", "machine": "other", "purpose": "backup", "since": "then"}
    store.put(NAME, json.dumps(body | {"renewed": time.time() - age} | changes).encode())
    store.times[NAME] -= age


def test_a_lock_that_was_not_renewed_is_taken_over_by_the_servers_clock(lockable: MemoryStore) -> None:
    repository = opened(lockable)
    # The clock of its host is a day behind, which does not matter.
    foreign_lock(lockable, age=60, renewed=time.time() - 86_400)
    with pytest.raises(RepositoryLocked, match="elsewhere"), repository.lock("backup"):
        pass
    foreign_lock(lockable, age=121, renewed=time.time() + 86_400)
    with repository.lock("backup"):
        repository.require_lock()


def test_a_dead_process_of_this_machine_holds_no_lock_but_one_of_a_host_of_the_same_name_may() -> None:
    store = MemoryStore()
    repository = opened(store)
    machine = repository_lock._machine()
    foreign_lock(store, age=0, host=socket.gethostname(), machine="another container", pid=2**22 + 1)
    with pytest.raises(RepositoryLocked), repository.lock("backup"):
        pass
    foreign_lock(store, age=0, host=socket.gethostname(), machine=machine, pid=2**22 + 1)
    with repository.lock("backup"):
        pass


def test_of_runs_that_find_a_lock_void_one_takes_it_over() -> None:
    for _ in range(5):
        store = MemoryStore()
        repositories = [opened(store) for _ in range(4)]
        foreign_lock(store, age=500)
        inside, most, mutex = Counter[str](), Counter[str](), threading.Lock()

        def work(repository: Repository, inside: Counter[str], most: Counter[str], mutex: threading.Lock) -> None:
            try:
                with repository.lock("backup"):
                    with mutex:
                        inside["now"] += 1
                        most["n"] = max(most["n"], inside["now"])
                    time.sleep(0.05)
                    with mutex:
                        inside["now"] -= 1
            except RepositoryLocked:
                pass

        threads = [threading.Thread(target=work, args=(one, inside, most, mutex)) for one in repositories]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most["n"] == 1


def test_an_error_of_a_run_is_not_hidden_by_a_server_that_went_away(no_pauses: list[float]) -> None:
    faulty = FaultyStore(MemoryStore(), "down", at=10_000, times=10_000)
    repository = opened(faulty)
    with pytest.raises(ValueError, match="of the run"), repository.lock("backup"):
        faulty._at = 0
        raise ValueError("of the run")


def test_unlocking_removes_what_was_shown_and_nothing_that_lives() -> None:
    store = MemoryStore()
    repository = opened(store)
    foreign_lock(store, age=30)
    (shown,) = find_locks(repository.backend)
    assert re.search(r"process 1 on elsewhere, since then, renewed [34]\d seconds ago", shown.described)
    assert not shown.over
    foreign_lock(store, age=0, token="renewed")
    with pytest.raises(RepositoryLocked, match="in use"):
        remove_locks(repository.backend, [shown])
    remove_locks(repository.backend, find_locks(repository.backend))
    with repository.lock("backup"):
        pass
