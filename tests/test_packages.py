"""A snapshot in one file: restored without its repository, imported into another one, hostile ones refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edms_tasks.errors import CommandError, DamagedRepository, RepositorySealed
from edms_tasks.lineage.snapshot_source import open_source
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings, load_settings
from flows.copy import copy
from flows.packages import PackageResult, export, import_package
from flows.requests import CopyRequest, ExportRequest, ImportRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect

pytestmark = pytest.mark.usefixtures("edms_asked_once")


def exported(protected: Protected, path: Path) -> PackageResult:
    return export.fn(Run(protected.settings), ExportRequest(file=str(path)))


def test_a_package_is_restored_where_its_repository_is_gone(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = encrypt(protect(edms_factory("sqlite", documents=5, seed=1), tmp_path))
    before = picture(protected.edms)
    snapshot = protected.backup()
    package = tmp_path / "monday.edms-package"

    result = exported(protected, package)

    assert (result.snapshot_id, result.bytes) == (snapshot.snapshot_id, package.stat().st_size)
    assert package.stat().st_mode & 0o077 == 0
    protected.repository.rename(tmp_path / "gone")
    protected.edms.database_path.unlink()
    assert protected.verify(str(package)).success
    assert protected.restore(str(package)).success
    assert differences(before, picture(protected.edms)) == []


def test_a_package_is_imported_into_another_repository_and_encrypted_with_its_keys(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up("sqlite").protected
    package = tmp_path / "x.edms-package"
    snapshot_id = exported(protected, package).snapshot_id
    other = encrypt(Protected(protected.edms, _with_repository(protected, tmp_path), tmp_path / "other"))

    result = import_package.fn(Run(other.settings), ImportRequest(file=str(package)))

    assert result.snapshot_id == snapshot_id
    assert Repository.open(other.settings.repository).is_encrypted
    assert other.verify(snapshot_id).success
    again = import_package.fn(Run(other.settings), ImportRequest(file=str(package)))
    assert again.bytes == 0


def test_an_import_mends_what_is_damaged_in_the_repository_and_refuses_a_package_that_is(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up("sqlite").protected
    package = tmp_path / "x.edms-package"
    exported(protected, package)
    objects = sorted(
        (path for path in (protected.repository / "objects").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    objects[0].unlink()
    data = bytearray(objects[-1].read_bytes())
    data[7] ^= 1
    objects[-1].write_bytes(data)
    assert not protected.verify().success

    import_package.fn(Run(protected.settings), ImportRequest(file=str(package)))

    assert protected.verify().success
    whole = package.read_bytes()
    less = tmp_path / "less.edms-package"
    less.write_bytes(whole[:2000] + whole[2000:].replace(b"objects/", b"objectz/", 1))
    with pytest.raises(DamagedRepository):
        import_package.fn(Run(protected.settings), ImportRequest(file=str(less)))


def _with_repository(protected: Protected, folder: Path) -> Path:
    text = protected.config.read_text().replace(str(protected.repository), str(folder / "other"))
    (folder / "other.toml").write_text(text)
    return folder / "other.toml"


def test_a_package_is_not_overwritten_and_a_damaged_snapshot_leaves_none(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up("sqlite").protected
    package = tmp_path / "x.edms-package"
    package.write_bytes(b"the only copy")
    with pytest.raises(CommandError, match="file exists"):
        exported(protected, package)
    assert package.read_bytes() == b"the only copy"
    package.unlink()
    largest = max((protected.repository / "objects").rglob("*"), key=lambda path: path.stat().st_size)
    whole = bytearray(largest.read_bytes())
    whole[len(whole) // 2] ^= 1
    largest.write_bytes(whole)
    with pytest.raises(DamagedRepository):
        exported(protected, package)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_machine_without_any_key_copies_an_encrypted_repository(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = encrypt(protect(edms_factory("sqlite", documents=5, seed=1), tmp_path))
    snapshot = protected.backup()
    (tmp_path / "courier").mkdir()
    courier = load_settings(_settings(tmp_path / "courier", protected.repository))

    result = copy.fn(Run(courier), CopyRequest(to=str(tmp_path / "copy")))

    assert (result.success, result.snapshots) == (True, (snapshot.snapshot_id,))
    with pytest.raises(RepositorySealed):
        Repository.open(courier.repository)
    text = protected.config.read_text().replace(str(protected.repository), str(tmp_path / "copy"))
    protected.config.write_text(text)
    assert protected.verify().success
    with pytest.raises(CommandError, match="No target"):
        copy.fn(Run(courier), CopyRequest())


def _package(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(path, "w") as package:
        for member, data in members:
            member.size = len(data) if member.isreg() else 0
            package.addfile(member, io.BytesIO(data))


def _regular(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def _link(name: str, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, to
    return member


CONFIG = b'{"format": 2, "id": "x", "created": ""}'
ID = "0" * 64


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 not a tar" * 100),
        lambda path: _package(path, (_regular("config.json"), CONFIG), (_regular("config.json"), CONFIG)),
        lambda path: _package(path, (_link("config.json", "/etc/passwd"), b"")),
        lambda path: _package(path, (_regular("../config.json"), CONFIG), (_regular("/config.json"), CONFIG)),
        lambda path: _package(path, (_regular("config.json"), CONFIG)),
        lambda path: _package(
            path,
            (_regular("config.json"), CONFIG),
            (_regular(f"snapshots/{ID}.json"), b"{}"),
            (_regular(f"snapshots/{ID[:-1]}1.json"), b"{}"),
        ),
        lambda path: path.write_bytes(_whole(path)[:-1500]),
    ],
    ids=["empty", "zip", "twice", "link", "outside", "no snapshot", "two snapshots", "cut off"],
)
def test_what_is_no_package_is_refused(make: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "x.edms-package"
    make(path)
    settings = load_settings(_settings(tmp_path))
    with pytest.raises((DamagedRepository, CommandError)) as raised:
        repository, name = open_source(settings, str(path))
        repository.read_manifest(name)
    assert str(path) in raised.value.where


def _whole(path: Path) -> bytes:
    _package(path, (_regular("config.json"), CONFIG), (_regular(f"snapshots/{ID}.json"), b"x" * 5000))
    return path.read_bytes().rstrip(b"\0")


def _settings(folder: Path, repository: Path | None = None) -> Path:
    (folder / "edms-backup.toml").write_text(f'[repository]\nurl = "{repository or folder / "repository"}"\n')
    return folder / "edms-backup.toml"


def test_a_package_is_never_written_to(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    package = tmp_path / "x.edms-package"
    exported(protected, package)
    before = package.read_bytes()
    protected.verify(str(package))
    assert package.read_bytes() == before
    repository = Repository.open(RepositorySettings(url=f"package:{package}"))
    with pytest.raises(Exception, match="only read"):
        repository.begin()
