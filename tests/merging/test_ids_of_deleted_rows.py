"""Rows that were deleted come back under their old ids, and what still names them points at them again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.running import run_merge
from tests.soft.paper_archive import PaperArchive, paper_archive

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

LOG = (
    "INSERT INTO small_rule (code, document_list, payload, state, label, attachment, about_type_id, about_pk) "
    "VALUES (?, '', '{}', '', '', '', ?, ?)"
)


@pytest.fixture
def archive(tmp_path_factory: pytest.TempPathFactory) -> PaperArchive:
    return paper_archive(tmp_path_factory.mktemp("archive"), {"A": 1, "B": 2, "C": 3})


def execute(archive: PaperArchive, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(archive.address.name)) as lite:
        for one in statements:
            lite.execute(one) if isinstance(one, str) else lite.execute(*one)
        lite.commit()


def query(archive: PaperArchive, text: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(archive.address.name)) as lite:
        return lite.execute(text).fetchall()


def test_a_deleted_row_gets_its_id_back_and_new_ids_do_not_jump_behind_dangling_ones(archive: PaperArchive) -> None:
    snapshot = archive.backup().snapshot_id
    ((kind,),) = query(archive, "SELECT id FROM django_content_type WHERE app_label = 'small' AND model = 'document'")
    # B is deleted, and a log says so; another names an id that nobody ever had. C's id is another document's by now.
    execute(
        archive,
        "DELETE FROM small_rule",
        "DELETE FROM small_document WHERE number IN ('B', 'C')",
        "INSERT INTO small_document (id, number) VALUES (3, 'own')",
        (LOG, ("deleted", kind, "2")),
        (LOG, ("far", kind, "999999999")),
    )

    result = run_merge(archive.settings, snapshot=snapshot)

    assert result.plan.conflicts == ()
    assert result.done
    assert dict(query(archive, "SELECT number, id FROM small_document")) == {"A": 1, "B": 2, "own": 3, "C": 4}
    logs = dict(query(archive, "SELECT code, about_pk FROM small_rule WHERE code IN ('deleted', 'far')"))
    assert logs == {"deleted": "2", "far": "999999999"}
    assert dict(query(archive, "SELECT code, about_pk FROM small_rule WHERE code LIKE 'R-%'")) == {
        "R-0": "1",
        "R-1": "2",
        "R-2": "4",
    }


@pytest.mark.long
def test_in_another_system_no_new_row_gets_an_id_that_a_dangling_reference_contains(archive: PaperArchive) -> None:
    snapshot = archive.backup().snapshot_id
    ((kind,),) = query(archive, "SELECT id FROM django_content_type WHERE app_label = 'small' AND model = 'document'")
    # Re-initialised: A has another id here, so that 2 may have been any document.
    execute(
        archive,
        "DELETE FROM small_rule",
        "DELETE FROM small_document",
        "INSERT INTO small_document (id, number) VALUES (7, 'A')",
        (LOG, ("deleted", kind, "2")),
    )

    result = run_merge(archive.settings, snapshot=snapshot)

    assert result.plan.conflicts == ()
    assert result.done
    assert dict(query(archive, "SELECT number, id FROM small_document")) == {"A": 7, "B": 8, "C": 3}
