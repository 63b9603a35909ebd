"""A tag is a word that can be typed again and means nothing else; all others are refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import CommandError
from edms_tasks.lineage.snapshot_tags import check_tag
from edms_tasks.settings import Settings
from tests.running import run_backup

REFUSED = [
    "", "latest", "LATEST", "live", "all", "3fa81c02", "ABCD", "0000", "a" * 64, " ", "before  upgrade", " monday", "monday ", "monday\n",
    "a\tb", "a\x1b[31mb", "a\u200bb", "a\u202eb", "a\u00a0b", "\ud800", "-v", "x" * 101, "before-merge-of-3fa81c02",
]  # fmt: skip
ACCEPTED = [
    "before the upgrade",
    "before-upgrade",
    "monday",
    "v2.1",
    "vor-der-änderung",
    "月曜日",
    "abc",
    "x" * 100,
    "deadbeef.1",
    "2026-11-28",
]


@pytest.mark.parametrize("tag", REFUSED)
def test_a_tag_that_means_something_else_or_cannot_be_typed_is_refused(tag: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not a valid tag"):
        # An EDMS that does not exist: the refusal comes before anybody is asked.
        run_backup(Settings(workdir=tmp_path / "work"), tag=tag)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("tag", ACCEPTED)
def test_a_plain_word_is_a_tag(tag: str) -> None:
    assert check_tag(tag) == tag
