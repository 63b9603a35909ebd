"""Whatever is altered in a repository, a package or a key's file: its readers answer or say what is damaged, and nothing else happens.

A few cases are always run; `make test-long` runs thousands. A case is made from its number alone, which the failure names.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.encryption.recovery_key import read_recovery_key
from edms_tasks.encryption.write_key import read_write_key
from edms_tasks.errors import EdmsBackupError
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from flows.packages import import_package
from flows.requests import ImportRequest
from flows.running.run import Run
from tests.fuzzing.fuzzer import Escaped, run_case
from tests.fuzzing.mutations import mutated
from tests.fuzzing.small_repository import SmallRepository, make_small_repository
from tests.repository.conftest import encrypted_settings
from tests.running import run_verify

_MEMORY_MB = 1024
"""Nothing that a few hundred kilobytes say may cost more than that."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> SmallRepository:
    return make_small_repository(tmp_path_factory.mktemp("plain"), encrypted=False)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> SmallRepository:
    return make_small_repository(tmp_path_factory.mktemp("sealed"), encrypted=True)


@pytest.fixture(autouse=True)
def _memory_is_bounded() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - before < _MEMORY_MB


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.long) for first in range(1000, 5000, 500))]
)
def test_readers_of_an_altered_repository_say_what_is_damaged(first: int, plain: SmallRepository) -> None:
    for seed in range(first, first + (500 if first else 12)):
        run_case(plain, seed, forge=True)


@pytest.mark.long
@pytest.mark.parametrize("first", [0, 500])
def test_readers_of_an_altered_encrypted_repository_say_what_is_damaged(first: int, sealed: SmallRepository) -> None:
    for seed in range(first, first + 500):
        run_case(sealed, seed, forge=False)


@pytest.mark.long
def test_a_restore_from_an_altered_repository_writes_into_its_target_alone(plain: SmallRepository) -> None:
    for seed in range(5000, 5030):
        run_case(plain, seed, forge=True, restore=True)


@pytest.mark.parametrize("cases", [10, pytest.param(1000, marks=pytest.mark.long)])
def test_an_altered_package_is_refused_or_read(cases: int, plain: SmallRepository, tmp_path: Path) -> None:
    whole = plain.package.read_bytes()
    altered = tmp_path / "altered.edms-package"
    other = plain.settings.model_copy(
        update={"repository": RepositorySettings(url=str(tmp_path / "other")), "workdir": tmp_path / "work"}
    )
    Repository.create(other.repository)
    for seed in range(cases):
        altered.write_bytes(mutated(whole, random.Random(seed)))
        for read in (
            lambda: run_verify(plain.settings, snapshot=str(altered)),
            lambda: import_package.fn(Run(other), ImportRequest(file=str(altered))),
        ):
            try:
                read()
            except EdmsBackupError:
                pass
            except Exception as error:
                raise Escaped(f"seed {seed}", "package", f"{type(error).__name__}: {error}") from error
    found = run_verify(other)
    assert [problem for problem in found.problems if "is missing" not in problem] == [], "what was imported was whole"


@pytest.mark.parametrize("cases", [100, pytest.param(20_000, marks=pytest.mark.long)])
def test_an_altered_key_is_refused_or_read(cases: int, tmp_path: Path) -> None:
    from edms_tasks.repository.encrypted_repository import make_encrypted

    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "test")
    for path, read in ((settings.write_key, read_write_key), (settings.identity, read_recovery_key)):
        assert path is not None
        whole = path.read_bytes()
        for seed in range(cases):
            path.write_bytes(mutated(whole, random.Random(seed)))
            try:
                read(path)
            except EdmsBackupError:
                pass
            except Exception as error:
                raise Escaped(f"seed {seed}", path.name, f"{type(error).__name__}: {error}") from error


@pytest.mark.long  # of objects and manifests the suite flips every bit: `test_every_flipped_bit_of_a_stored_file_is_found`
@pytest.mark.parametrize("flips", [3000])
def test_verify_finds_every_flipped_bit_of_an_encrypted_repository(flips: int, sealed: SmallRepository) -> None:
    """Of what snapshots are made of, and of what says what was done with them. `created` in a key's file and the like is not read."""
    folders = ("objects/", "snapshots/", "signatures/", "records/", "log/", "heads/", "proved/")
    files = {name: data for name, data in sealed.files().items() if name.startswith(folders)}
    chance, missed = random.Random(flips), []
    for _ in range(flips):
        name = chance.choice(list(files))
        bit = chance.randrange(len(files[name]) * 8)
        data = bytearray(files[name])
        data[bit // 8] ^= 1 << bit % 8
        sealed.put_back()
        (sealed.place / name).write_bytes(data)
        if _is_found_whole(sealed):
            missed.append((name, bit))
    assert missed == []


def _is_found_whole(repository: SmallRepository) -> bool:
    from flows.audit_trail import read_audit_trail

    try:
        return run_verify(repository.settings).success and read_audit_trail(repository.settings).success
    except EdmsBackupError:
        return False
