"""A repository or working folder among the EDMS's files is refused by a backup and an error to doctor; a mount point is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks import mount_points
from edms_tasks.errors import SettingsError
from edms_tasks.settings import Settings
from tests.promotion.two_settings import small_edms
from tests.running import run_backup, run_doctor


@pytest.mark.parametrize("what", ["repository", "workdir"])
def test_a_backup_that_would_hold_itself_is_refused(what: str, tmp_path: Path) -> None:
    edms = small_edms(tmp_path)
    edms.set_to("then")
    inside = edms.folder / "media" / "ours"
    mistaken: Settings = (
        edms.first.model_copy(update={"workdir": inside})
        if what == "workdir"
        else edms.first.model_copy(update={"repository": edms.first.repository.model_copy(update={"url": str(inside)})})
    )

    with pytest.raises(SettingsError) as refused:
        run_backup(mistaken, create_repository=True)
    assert str(inside) in refused.value.where and "lies inside the folder of the EDMS's files" in refused.value.what
    assert not list((edms.folder / "media").rglob("*.parquet"))

    found = run_doctor(mistaken).diagnosis.assessments
    assert [(one.code, one.severity) for one in found if one.code == "folders-overlap"] == [
        ("folders-overlap", "error")
    ]


def test_files_on_a_mount_point_are_found_at_the_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edms = small_edms(tmp_path)
    edms.set_to("then")
    media = edms.folder / "media"
    # To mount something is not every user's right. A bind mount is on the same device as the folder above it.
    table = tmp_path / "mountinfo"
    table.write_text(
        f"36 35 98:0 /x {str(media).replace(' ', chr(92) + '040')} rw,noatime master:1 - ext3 /dev/sda rw\n"
    )
    monkeypatch.setattr(mount_points, "MOUNT_TABLE", table)

    made = edms.backup().manifest.findings

    (one,) = [one for one in made if one.code == "file-root-is-a-mount-point"]
    assert one.severity == "error" and str(media) in one.message
