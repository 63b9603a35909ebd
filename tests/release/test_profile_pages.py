"""Each known system has a page, which says what its profile declares and nothing else."""

from __future__ import annotations

import tomllib

from release import profile_pages


def test_the_pages_are_of_the_profiles_as_they_are() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in profile_pages.PAGES.glob("*.md")}

    assert there == profile_pages.pages()


def test_every_declaration_is_on_the_page() -> None:
    for profile in profile_pages.PROFILES.glob("*.toml"):
        declared = tomllib.loads(profile.read_text(encoding="utf-8"))
        page = profile_pages.page(profile)
        models = [*declared.get("natural_keys", ()), *declared["profile"]["detect"]["models"]]
        columns = [one.get("column") or one.get("content_type") for one in declared.get("soft_references", ())]

        assert [
            name for name in [*models, *columns, *declared["validate"]["sensitive"]] if name and f"`{name}`" not in page
        ] == []
        assert page.count("\n- ") == len(declared["drill"]["commands"])
