"""The changelog: every change is of the form that its readers are promised, and a release moves them into its own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import changelog


@pytest.fixture
def changes(tmp_path: Path) -> Path:
    """A folder of changes like docs/changelog, with two that are unreleased."""
    unreleased = tmp_path / "unreleased"
    unreleased.mkdir()
    (unreleased / "a.md").write_text("Bugfix: Restore names the grant\n\nIt did not. It does.\n")
    (unreleased / "b.md").write_text("Security: Keys are asked for\n\nThey were not. See [keys](../../keys.md).\n")
    return tmp_path


def test_every_unreleased_change_is_of_the_right_form() -> None:
    assert changelog.changes_in(changelog.CHANGES / "unreleased")


def test_the_page_is_of_the_releases_as_they_are() -> None:
    assert changelog.PAGE.read_text(encoding="utf-8") == changelog.page()


@pytest.mark.parametrize(
    "text",
    ["", "Bugfix", "Bug: It works\n\nIt did not.\n", "Bugfix: It works\n", "Bugfix: It works\nIt did not.\n", "Bugfix: \n\nIt did.\n"],
)  # fmt: skip
def test_a_change_of_another_form_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"it-works\.md"):
        changelog.change_in("it-works.md", text)


def test_a_release_has_its_changes_by_kind_and_leaves_none_unreleased(changes: Path) -> None:
    changelog.release("1.0.0", "2026-12-01", changes)

    page = changelog.page(changes)
    assert page.index("## 1.0.0 (2026-12-01)") < page.index("### Security") < page.index("### Corrected")
    assert "**Restore names the grant.** It did not. It does." in page
    assert "See keys." in page
    assert changelog.changes_in(changes / "unreleased") == []


def test_the_newest_release_is_first(changes: Path) -> None:
    change = (changes / "unreleased" / "a.md").read_bytes()
    for version in ("1.9.0", "1.10.0"):
        (changes / "unreleased" / "a.md").write_bytes(change)
        changelog.release(version, "2026-12-01", changes)

    page = changelog.page(changes)

    assert page.index("## 1.10.0") < page.index("## 1.9.0")
    assert page.count("Restore names the grant") == 2
    assert page.count("Keys are asked for") == 1


@pytest.mark.parametrize(
    ("version", "when"), [("1.0", "2026-12-01"), ("v1.0.0", "2026-12-01"), ("1.0.0", "1 December")]
)
def test_a_release_without_a_proper_number_or_date_changes_nothing(changes: Path, version: str, when: str) -> None:
    with pytest.raises(ValueError):
        changelog.release(version, when, changes)

    assert len(changelog.changes_in(changes / "unreleased")) == 2
    assert not (changes / version).exists()


def test_nothing_is_released_twice_and_no_release_is_empty(changes: Path) -> None:
    changelog.release("1.0.0", "2026-12-01", changes)

    with pytest.raises(ValueError, match="nothing has changed"):
        changelog.release("1.0.1", "2026-12-02", changes)
    with pytest.raises(ValueError, match="released before"):
        changelog.release("1.0.0", "2026-12-02", changes)
