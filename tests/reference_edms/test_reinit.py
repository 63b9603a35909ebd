"""`reinit` is the disaster: everything is gone, and the defaults that come back have other ids."""

from __future__ import annotations

import pytest

from tests.reference_edms.conftest import Edms


@pytest.mark.long
def test_nothing_but_the_defaults_survives(populated_edms: Edms) -> None:
    populated_edms.run("reinit")

    assert populated_edms.rows("SELECT count(*) FROM documents_document") == [(0,)]
    assert populated_edms.rows("SELECT username FROM users_user") == [("admin",)]
    assert list(populated_edms.media.iterdir()) == []


@pytest.mark.long
def test_defaults_and_content_types_get_other_ids_in_another_order(fresh_edms: Edms, second_edms: Edms) -> None:
    for query in (
        "SELECT id, code FROM documents_documenttype ORDER BY id",
        "SELECT id, name FROM users_role ORDER BY id",
        "SELECT id, app_label || '.' || model FROM django_content_type ORDER BY id",
    ):
        before, after = fresh_edms.rows(query), second_edms.rows(query)

        assert {name for _, name in before} == {name for _, name in after}
        assert not {key for key, _ in before} & {key for key, _ in after}
        assert [name for _, name in before] != [name for _, name in after]


@pytest.mark.long
def test_the_new_system_works(second_edms: Edms) -> None:
    second_edms.run("check")
    second_edms.run("migrate", "--check")
    second_edms.run("populate", "--documents", "10")

    assert "intact" in second_edms.run("verify_audit")
