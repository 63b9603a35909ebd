"""A database file that is gone, empty or damaged: the error says how to get the data back, not only how to begin anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import DatabaseRefused

LOST = {"does not exist": None, "is empty": b"", "cannot be read": b"no database" * 400}


@pytest.mark.parametrize("said", LOST)
def test_a_lost_database_is_named_with_the_way_back(said: str, tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    content = LOST[said]
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DatabaseRefused) as refused:
        open_database(DatabaseAddress.from_url(f"sqlite:///{path}")).check()

    assert said in refused.value.what
    assert "restore latest" in refused.value.fix
