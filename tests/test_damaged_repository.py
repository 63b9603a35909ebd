"""Damage any object or manifest of the repository: `verify` and `restore` both refuse, name it, and touch nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edms_tasks.errors import CheckFailed
from edms_tasks.manifest import Manifest
from tests.direct_access import spoil
from tests.independent_comparison import differences, picture
from tests.one_per_engine import OnePerEngine
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdmsFactory
from tests.running import Protected, protect

pytestmark = pytest.mark.usefixtures("edms_asked_once")

Object = Callable[[Manifest], str]

KINDS: dict[str, Object] = {
    "table chunk": lambda manifest: next(
        entry for entry in manifest.tables if entry.table.model == "documents.Document"
    ).chunks[-1].object.sha256,
    "native schema": lambda manifest: manifest.native_schema.object.sha256,
    "file index": lambda manifest: manifest.files[0].index[0].sha256,
    "pack of files": lambda manifest: manifest.files[0].packs[0].sha256,
}  # fmt: skip


def _flip(position: Callable[[int], int]) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[position(len(content))] ^= 0x01
        path.write_bytes(content)

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "first byte flipped": _flip(lambda size: 0),
    "byte in the middle flipped": _flip(lambda size: size // 2),
    "last byte flipped": _flip(lambda size: size - 1),
    "cut to half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "deleted": lambda path: path.unlink(),
    "longer by a byte": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
}


@dataclass(frozen=True)
class BackedUp:
    """A live system that has changed since its one backup, and pictures to compare with."""

    protected: Protected
    snapshot: str
    manifest: Manifest
    live: dict[str, object]

    def object_path(self, sha256: str) -> Path:
        return self.protected.repository / "objects" / sha256[:2] / sha256

    @property
    def manifest_path(self) -> Path:
        return self.protected.repository / "snapshots" / f"{self.snapshot}.json"


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Callable[[Engine], BackedUp]:
    """One backed-up system per engine: no test here may change it, which is what they assert."""

    def make(engine: Engine, factory: ReferenceEdmsFactory, folder: Path) -> BackedUp:
        # Several chunks a table, so that damage to one of many is met.
        protected = protect(factory(engine, documents=5), folder, top="chunk_rows = 20")
        backup = protected.backup()
        spoil(protected.edms)
        return BackedUp(protected, backup.snapshot_id, backup.manifest, picture(protected.edms))

    return OnePerEngine("damaged", make, tmp_path_factory, _edms_templates)


# A chunk, an index and a pack are the same kind of object on both engines; the schema is not.
CASES: tuple[tuple[Engine, str, str], ...] = (
    *(("sqlite", kind, damage) for kind in KINDS for damage in DAMAGES),
    *(("postgresql", "native schema", damage) for damage in DAMAGES),
)
# Every kind of damage once, and every kind of object damaged and deleted; `make test-long` combines them all.
ALWAYS = {
    *(("sqlite", "table chunk", damage) for damage in DAMAGES),
    *(("sqlite", kind, damage) for kind in KINDS for damage in ("byte in the middle flipped", "deleted")),
    ("postgresql", "native schema", "byte in the middle flipped"),
}


@pytest.mark.parametrize(
    ("engine", "kind", "damage"),
    [pytest.param(*case, marks=[] if case in ALWAYS else [pytest.mark.long]) for case in CASES],
)
def test_a_damaged_object_is_refused_and_named(
    engine: Engine, kind: str, damage: str, systems: Callable[[Engine], BackedUp]
) -> None:
    system = systems(engine)
    name = KINDS[kind](system.manifest)

    with _damaged(system.object_path(name), DAMAGES[damage]):
        verified = system.protected.verify()
        refusal = _refusal_of_restore(system, system.snapshot)

    assert not verified.success
    assert any(name in problem for problem in verified.problems), verified.problems
    assert name in refusal
    assert differences(system.live, picture(system.protected.edms)) == []


# Not "deleted": a snapshot without its manifest does not exist.
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, marks=[] if damage in ("byte in the middle flipped", "emptied") else [pytest.mark.long])
        for damage in sorted(DAMAGES.keys() - {"deleted"})
    ],
)
def test_a_damaged_manifest_is_refused_and_named(damage: str, systems: Callable[[Engine], BackedUp]) -> None:
    system = systems("sqlite")

    with _damaged(system.manifest_path, DAMAGES[damage]):
        verified = system.protected.verify()
        by_id = _refusal_of_restore(system, system.snapshot)
        latest = _refusal_of_restore(system, "latest")

    assert not verified.success
    assert any(system.snapshot in problem for problem in verified.problems), verified.problems
    assert system.snapshot in by_id and system.snapshot in latest
    assert differences(system.live, picture(system.protected.edms)) == []


def test_an_object_exchanged_for_another_intact_one_is_refused_and_named(
    systems: Callable[[Engine], BackedUp],
) -> None:
    system = systems("sqlite")
    chunks = [chunk.object.sha256 for entry in system.manifest.tables for chunk in entry.chunks]
    name, other = chunks[0], chunks[-1]

    with _damaged(system.object_path(name), lambda path: shutil.copyfile(system.object_path(other), path)):
        verified = system.protected.verify()
        refusal = _refusal_of_restore(system, system.snapshot)

    assert any(name in problem for problem in verified.problems), verified.problems
    assert name in refusal


FLIPS = {"where": st.floats(0, 1, exclude_max=True), "at": st.floats(0, 1, exclude_max=True), "bit": st.integers(0, 7)}
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=4, suppress_health_check=SHARED)
@given(**FLIPS)
def test_any_flipped_bit_in_any_file_is_found(
    where: float, at: float, bit: int, systems: Callable[[Engine], BackedUp]
) -> None:
    _a_flipped_bit_is_found(where, at, bit, systems("sqlite"))


@pytest.mark.long
@settings(max_examples=40, suppress_health_check=SHARED)
@given(**FLIPS)
def test_any_of_many_flipped_bits_is_found(
    where: float, at: float, bit: int, systems: Callable[[Engine], BackedUp]
) -> None:
    _a_flipped_bit_is_found(where, at, bit, systems("sqlite"))


def _a_flipped_bit_is_found(where: float, at: float, bit: int, system: BackedUp) -> None:
    folders = [system.protected.repository / name for name in ("objects", "snapshots")]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    path = files[int(where * len(files))]

    def flip(target: Path) -> None:
        content = bytearray(target.read_bytes())
        content[int(at * len(content))] ^= 1 << bit
        target.write_bytes(content)

    with _damaged(path, flip):
        verified = system.protected.verify()
        refusal = _refusal_of_restore(system, system.snapshot)

    assert any(path.stem in problem for problem in verified.problems), verified.problems
    assert path.stem in refusal
    assert differences(system.live, picture(system.protected.edms)) == []


def test_the_repository_these_tests_damage_is_sound_without_the_damage(
    systems: Callable[[Engine], BackedUp],
) -> None:
    """Otherwise all of them would pass for a reason that is not theirs."""
    system = systems("sqlite")

    assert system.protected.verify().problems == ()


class _damaged:
    """The file is damaged inside, and as it was afterwards."""

    def __init__(self, path: Path, damage: Callable[[Path], object]) -> None:
        self._path, self._damage = path, damage
        self._kept = Path(tempfile.mkdtemp()) / "kept"

    def __enter__(self) -> None:
        shutil.copy2(self._path, self._kept)
        mode = self._path.stat().st_mode
        self._path.chmod(mode | 0o200)
        before = self._path.read_bytes()
        self._damage(self._path)
        assert not self._path.exists() or self._path.read_bytes() != before, "the damage itself must have happened"

    def __exit__(self, *exception: object) -> None:
        if self._path.exists():
            self._path.unlink()
        shutil.copy2(self._kept, self._path)
        shutil.rmtree(self._kept.parent)


def _refusal_of_restore(system: BackedUp, snapshot: str) -> str:
    """What the refused restore said; a restore that succeeds fails the test."""
    try:
        result = system.protected.restore(snapshot)
    except CheckFailed as refused:
        return str(refused)
    assert not result.success and not result.promoted
    return "\n".join(result.failures)
