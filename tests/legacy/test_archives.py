"""Members of hostile and damaged archives are refused by name, and faults of ours are not called damage."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from edms_tasks.legacy.archive_members import ArchiveTrouble
from edms_tasks.legacy.archives import members
from edms_tasks.legacy.source import Source


def test_a_member_whose_time_is_none_is_refused_and_not_there(tmp_path: Path) -> None:
    path = tmp_path / "old.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, time in (("never", "nan"), ("late", "1e30"), ("good", "1.5")):
            info = tarfile.TarInfo(name)
            info.pax_headers = {"mtime": time}
            archive.addfile(info)
    trouble = ArchiveTrouble("old.tar")

    unpacked = [member.unpack(tmp_path / "files") for member in members(Source(path), trouble)]

    assert unpacked == [None, None, tmp_path / "files" / "good"]
    assert [one.name for one in (tmp_path / "files").iterdir()] == ["good"]
    assert trouble.refused == {"its time is not valid": 2}


def test_headers_of_headers_without_end_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "old.tar"
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    path.write_bytes((header.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * 2000)
    trouble = ArchiveTrouble("old.tar")

    assert [*members(Source(path), trouble)] == []
    assert "recursion" in trouble.damage


def test_a_zip_that_names_places_before_its_beginning_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
    data = bytearray(path.read_bytes())
    offset = data.rindex(b"PK\x05\x06") + 16
    data[offset : offset + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    trouble = ArchiveTrouble("old.zip")

    assert [*members(Source(path), trouble)] == []
    assert trouble.damage


def test_a_zip_whose_member_has_no_name_gives_the_others(tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("b", "2")
    data = path.read_bytes()
    # In the directory and in its own header, the first name begins with a zero, where Python ends it.
    path.write_bytes(data.replace(b"a1PK", b"\x001PK").replace(b"aPK", b"\0PK"))
    trouble = ArchiveTrouble("old.zip")

    assert [member.name for member in members(Source(path), trouble)] == ["b"]
    assert sum(trouble.refused.values()) == 1


def test_to_read_a_member_behind_its_turn_is_a_fault_and_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("b", "2")
    trouble = ArchiveTrouble("old.zip")
    first, _ = members(Source(path), trouble)

    with pytest.raises(ValueError, match="closed"):
        first.skip()
    assert trouble.damage == ""
