"""Migration packages and script backups as people keep them: with all members of their layout, packed again, in folders of folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from edms_tasks.legacy.formats import recognise
from tests.legacy.every_format import backups, read_backup
from tests.legacy.test_packed_dumps import tar

PACKAGE = {name.removeprefix("package folder/"): data for name, data in backups()["package folder"].items()}


def losses(members: Mapping[str, bytes], folder: Path) -> dict[str, str]:
    (folder / "old.tar.gz").write_bytes(tar(members))
    old = read_backup(folder / "old.tar.gz", folder / "scratch")
    assert old is not None
    assert (old.recognised.format, sum(one.rows for one in old.rows)) == ("edms-job", 29)
    assert sum(one.files for one in old.folders) == 3
    return {one.code: one.subject for one in old.losses}


@pytest.mark.parametrize("around", ["", "./", "edms_migration_package_20240102_030405/", "./from/old server/"])
def test_a_package_with_all_its_members_lacks_nothing_wherever_it_was_packed(around: str, tmp_path: Path) -> None:
    assert losses({f"{around}{name}": data for name, data in PACKAGE.items()}, tmp_path) == {}


def test_the_order_of_the_members_means_nothing(tmp_path: Path) -> None:
    assert losses(dict(reversed(PACKAGE.items())), tmp_path) == {}


@pytest.mark.parametrize("name", ["database/schema_info.txt", "database/backup_metadata.json"])
def test_every_member_in_the_list_of_checksums_is_compared(name: str, tmp_path: Path) -> None:
    changed = losses({**PACKAGE, name: PACKAGE[name] + b" "}, tmp_path)

    assert changed == {"old-checksum-differs": name.removeprefix("database/")}


def test_a_member_in_the_list_of_checksums_that_is_not_there_is_named(tmp_path: Path) -> None:
    kept = {name: data for name, data in PACKAGE.items() if name != "database/restore_instructions.sh"}

    assert losses(kept, tmp_path) == {"old-files-missing": "restore_instructions.sh"}


def test_a_script_s_backup_is_recognised_below_any_folder(tmp_path: Path) -> None:
    parts = {"database.dump": b"PGDMP", "storage.tar.gz": b"", "manifest.json": b'{"backup_type": "full"}'}
    (tmp_path / "old.tar").write_bytes(tar({f"./of/monday/{name}": data for name, data in parts.items()}, "w"))

    ((_, found), *_) = recognise(tmp_path / "old.tar")

    assert (found.format, found.evidence) == ("packed-dump", ("database.dump", "manifest.json", "storage.tar.gz"))


def test_a_package_without_its_rows_is_called_so(tmp_path: Path) -> None:
    kept = {name: data for name, data in PACKAGE.items() if name != "database/database_backup.json"}
    (tmp_path / "old.tar.gz").write_bytes(tar(kept))

    old = read_backup(tmp_path / "old.tar.gz", tmp_path / "scratch")

    assert old is not None
    assert {"old-no-rows", "old-files-missing"} <= {one.code for one in old.losses}
    assert sum(one.files for one in old.folders) == 3
