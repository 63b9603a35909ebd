"""What is backed up comes back: every name, byte, permission and time; and the check says so."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edms_tasks.errors import TargetExists
from edms_tasks.files import check_files, index_files, restore_files, verify_files
from edms_tasks.files import index as index_module
from edms_tasks.files import root_backup as pack_module
from edms_tasks.inventory.model import FileRoot
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.files.conftest import Backup, listing

ODD_NAMES = [b"\xff\xfe not utf-8", "ümläut 🗎".encode(), b"new\nline", b" ", b"-rf", b"~", b"a\\b", b"\x01", b"x" * 255]


def test_a_folder_is_restored_with_contents_times_and_permissions(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    (media / "empty" / "deeper").mkdir(parents=True)
    (media / "zero").write_bytes(b"")
    (media / "document.pdf").write_bytes(os.urandom(5000))
    for number, name in enumerate(ODD_NAMES):
        Path(os.fsdecode(os.fsencode(media) + b"/" + name)).write_bytes(b"odd %d" % number)
    (media / "read only").mkdir()
    (media / "read only" / "old").write_bytes(b"1999")
    os.utime(media / "read only" / "old", ns=(0, 946684799_123456789))
    (media / "read only" / "old").chmod(0o440)
    (media / "read only").chmod(0o555)
    media.chmod(0o2770)
    os.utime(media, ns=(0, 1_234_567_890_123_456_789))

    index, findings = backup()
    restore_files(index, repository, tmp_path / "out")
    check = check_files(index, repository, tmp_path / "out")

    assert findings == {}
    assert listing(tmp_path / "out") == listing(media)
    assert oct((tmp_path / "out").stat().st_mode) == oct(media.stat().st_mode)
    assert (tmp_path / "out").stat().st_mtime_ns == media.stat().st_mtime_ns
    assert check.success
    assert check.expected == check.found == 3 + len(ODD_NAMES)
    assert verify_files(index, repository) == ()
    for folder in (media, tmp_path / "out"):
        (folder / "read only").chmod(0o755)


@pytest.mark.parametrize("size", [99, 100, 101, 350])
def test_files_larger_than_a_pack_are_split_and_joined_again(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    for module in ("index", "read_ahead", "pack_writer", "index_fetch", "pack_contents"):
        monkeypatch.setattr(f"edms_tasks.files.{module}.PACK_BYTES", 100)
    for name in "abc":
        (media / name).write_bytes(os.urandom(size))
        (media / f"{name} small").write_bytes(os.urandom(40))
    (media / "same").write_bytes((media / "b").read_bytes())

    index, _ = backup()
    restore_files(index, repository, tmp_path / "out")

    assert listing(tmp_path / "out") == listing(media)
    assert verify_files(index, repository) == ()


def test_rows_are_written_in_chunks(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (media / f"{number}").write_bytes(b"%d" % number)
    whole, _ = backup()
    for module in (index_module, pack_module):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(index_module, "ROWS_PER_OBJECT", 3)
    index, _ = backup()

    restore_files(index, repository, tmp_path / "out")

    assert len(index.index) == 7
    assert index.digest == whole.digest
    assert check_files(whole, repository, tmp_path / "out").success


def test_a_content_is_stored_once(media: Path, repository: Repository, backup: Backup, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    for name in "abcdef":
        (media / name).write_bytes(content)
    index, _ = backup()
    assert index.files == 6
    assert index.bytes == 600_000
    assert sum(pack.size for pack in index.packs) < 110_000


def test_an_unchanged_root_results_in_the_same_objects(media: Path, backup: Backup) -> None:
    for number in range(50):
        (media / f"{number}").write_bytes(os.urandom(100))
    index, _ = backup()
    again, _ = backup()
    assert again.packs == index.packs
    assert again.digest == index.digest


def test_a_destination_that_is_not_empty_or_is_a_link_is_refused(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    (media / "a").write_bytes(b"a")
    index, _ = backup()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_bytes(b"mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("full", "link"):
        with pytest.raises(TargetExists):
            restore_files(index, repository, tmp_path / name)
    assert list((tmp_path / "empty").iterdir()) == []
    restore_files(index, repository, tmp_path / "empty")
    assert (tmp_path / "empty" / "a").read_bytes() == b"a"


def test_a_root_without_files_is_restored_empty(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    index, _ = backup()
    restore_files(index, repository, tmp_path / "out")
    assert check_files(index, repository, tmp_path / "out").success


names = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name.strip(b".")
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=st.dictionaries(st.tuples(names, names) | st.tuples(names), st.binary(max_size=200), max_size=12))
def test_random_names_and_contents_are_restored(tree: dict[tuple[bytes, ...], bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        media = place / "media"
        media.mkdir()
        for path, content in tree.items():
            file = Path(os.fsdecode(os.fsencode(media) + b"/" + b"/".join(path)))
            if file.is_dir() or file.parent.is_file():
                continue
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        repository = Repository.create(RepositorySettings(url=str(place / "backups")))
        root = FileRoot(name="media", path=str(media))

        index, findings = index_files(root, repository, scratch=place / "scratch")
        restore_files(index, repository, place / "out")

        assert findings == ()
        assert listing(place / "out") == listing(media)
        assert check_files(index, repository, place / "out").success


def test_set_id_bits_are_restored_and_reported(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    (media / "set-uid").write_bytes(b"x")
    (media / "set-uid").chmod(0o4755)
    (media / "set-gid").write_bytes(b"x")
    (media / "set-gid").chmod(0o2755)
    (media / "shared").mkdir()
    (media / "shared").chmod(0o3777)

    index, findings = backup()
    restore_files(index, repository, tmp_path / "out")

    assert findings["file-set-id"].examples == ("set-gid", "set-uid")
    assert listing(tmp_path / "out") == listing(media)


def test_a_sparse_file_is_restored_as_a_sparse_file(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    with (media / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(40_000_000)
        file.write(b"middle")
        file.truncate(80_000_000)
    (media / "zeros").write_bytes(bytes(100_000))

    index, _ = backup()
    restore_files(index, repository, tmp_path / "out")

    assert listing(tmp_path / "out") == listing(media)
    assert check_files(index, repository, tmp_path / "out").success
    assert (tmp_path / "out" / "sparse").stat().st_blocks * 512 < 1_000_000


def test_paths_longer_than_path_max_are_restored(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    above = os.open(media, os.O_RDONLY)
    for _ in range(40):  # 8,040 bytes
        os.mkdir(b"d" * 200, dir_fd=above)
        folder = os.open(b"d" * 200, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = folder
    for name, content in ((b"deep", b"deep down"), (b"large", b"l" * (17 << 20))):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=above)
        os.write(descriptor, content)
        os.close(descriptor)
    os.symlink(b"deep", b"link", dir_fd=above)
    os.close(above)

    index, findings = backup()
    restore_files(index, repository, tmp_path / "out")
    check = check_files(index, repository, tmp_path / "out")

    assert list(findings) == ["link-stored-as-file"]
    assert index.files == 3
    # `find` is the witness: it changes into each folder, and so knows no longest path.
    told = [
        subprocess.run(
            ["find", ".", "-type", "f", "-printf", "%d %f %s %m\\n"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for root in (media, tmp_path / "out")
    ]
    assert sorted(told[1]) == sorted([*told[0], "41 link 9 640"])
    assert check.success
    assert not check.note
    again, _ = backup(previous=index)
    assert again.digest == index.digest


def test_differing_permissions_and_times_are_noted_and_do_not_fail_the_check(
    media: Path, repository: Repository, backup: Backup, tmp_path: Path
) -> None:
    for name in "abcd":
        (media / name).write_bytes(name.encode())
        (media / name).chmod(0o640)
    index, _ = backup()
    restore_files(index, repository, tmp_path / "out")
    (tmp_path / "out" / "b").chmod(0o666)
    os.utime(tmp_path / "out" / "c", ns=(0, 7))

    check = check_files(index, repository, tmp_path / "out")

    assert check.success
    assert check.attributes_count == 2
    assert check.attributes[0] == "b (permissions 666, were 640)"
    assert check.attributes[1].startswith("c (time 7 ns, was ")
    assert "2 were restored with other permissions" in check.note
