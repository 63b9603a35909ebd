"""`convert --folder PATH=ROOT`: a choice is followed to the letter, or refused by name; nothing else is chosen in its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from edms_tasks.errors import CommandError
from edms_tasks.legacy.old_backup import FileFolder
from edms_tasks.legacy.root_mapping import map_folders

ROOTS = {"media": Path("/app/storage/media"), "signed": Path("/app/storage/signed")}


@pytest.fixture
def folders(tmp_path: Path) -> list[FileFolder]:
    for name in ("media", "docs", "docs/2024"):
        (tmp_path / "storage" / name).mkdir(parents=True)
        (tmp_path / "storage" / name / "a.txt").write_text(name)
    return [FileFolder("storage", 3, 10, tmp_path / "storage")]


@pytest.mark.parametrize("place", ["storage/docs", "/storage/docs/", "storage//docs"])
def test_a_chosen_folder_is_the_roots_although_another_has_its_name(folders: list[FileFolder], place: str) -> None:
    (storage,) = (one.path for one in folders if one.path is not None)

    mapped = map_folders(folders, ROOTS, {place: "media"})

    assert mapped.folders == {"media": storage / "docs"}
    assert any("as chosen" in one.message for one in mapped.findings)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"storage/dosc": "media"}, "no folder 'storage/dosc'.*Did you mean `storage/docs`"),
        ({"storage/docs/2025": "media"}, "Did you mean `storage/docs/2024`"),
        ({"Storage/docs": "media"}, "Did you mean `storage/docs`"),
        ({"storage/../..": "media"}, "no folder"),
        ({"storage/docs/a.txt": "media"}, "no folder"),
        ({"/": "media"}, "no folder '/'.*Its folders: storage"),
        ({"storage/docs": "medai"}, "no root of files 'medai'.*Did you mean `media`"),
        ({"storage/docs": "xyz"}, "Its roots: media, signed"),
        ({"storage/docs": "media", "storage/media": "media"}, "A second folder"),
    ],
)
def test_a_choice_that_cannot_be_followed_is_refused(
    folders: list[FileFolder], chosen: Mapping[str, str], said: str
) -> None:
    with pytest.raises(CommandError, match=f"(?s){said}"):
        map_folders(folders, ROOTS, chosen)


def test_a_choice_for_a_backup_without_folders_is_refused() -> None:
    with pytest.raises(CommandError, match=r"(?s)no folder 'storage'.*It has none"):
        map_folders([], ROOTS, {"storage": "media"})
