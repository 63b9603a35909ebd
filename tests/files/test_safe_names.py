"""A name from a manifest becomes the name of one folder, and to nothing outside."""

from __future__ import annotations

import pytest

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.safe_names import plain_name

LEADING_ELSEWHERE = ["", ".", "..", "../../etc", "/etc", "a/b", "a\\b", "a\0b", "a\nb", "é" * 101, "\ud800"]


@pytest.mark.parametrize("name", LEADING_ELSEWHERE)
def test_a_name_that_no_single_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(DamagedRepository):
        plain_name(name)


@pytest.mark.parametrize("name", ["media", "media.private", "Größe", "my files", "-old", " a", "~x", "..."])
def test_the_name_of_a_single_folder_is_accepted(name: str) -> None:
    assert plain_name(name) == name
