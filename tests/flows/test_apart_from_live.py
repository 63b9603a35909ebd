"""A restore beside the live system is beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import CommandError
from tests.backed_up import BackedUpSystems


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_the_live_database_and_what_sqlite_keeps_beside_it_are_refused(
    backed_up: BackedUpSystems, tmp_path: Path, ending: str
) -> None:
    protected = backed_up("sqlite").protected
    link = tmp_path / "link"
    link.symlink_to(protected.edms.database_path.parent)
    for folder in (protected.edms.database_path.parent, link):
        into = folder / f"{protected.edms.database_path.name}{ending}"

        with pytest.raises(CommandError, match="beside the live system") as refused:
            protected.restore(into=str(into), into_files=tmp_path / "files")

        assert "Do not remove" in refused.value.fix


@pytest.mark.parametrize("place", [".", "deep/below", ".."])
def test_files_do_not_go_into_or_around_a_live_folder(backed_up: BackedUpSystems, tmp_path: Path, place: str) -> None:
    protected = backed_up("sqlite").protected
    before = sorted(protected.edms.media.rglob("*"))

    with pytest.raises(CommandError, match="beside the live system"):
        protected.restore(into=str(tmp_path / "copy.sqlite3"), into_files=protected.edms.media / place)

    assert sorted(protected.edms.media.rglob("*")) == before
    assert not (tmp_path / "copy.sqlite3").exists()


def test_a_database_in_a_live_folder_of_files_is_refused(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected

    with pytest.raises(CommandError, match="beside the live system"):
        protected.restore(into=str(protected.edms.media / "copy.sqlite3"), into_files=tmp_path / "files")
