"""Reading SQLite: pieces are bounded by bytes as well as by rows, and a file that may not be read is named at once."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import Part
from edms_tasks.databases.rechunk import PIECE_BYTES
from edms_tasks.databases.sqlite import view as view_module
from edms_tasks.errors import DatabaseUnreadable


def test_wide_rows_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "_SMALL_PIECES", 1)
    source = tmp_path / "edms.sqlite3"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("CREATE TABLE t (id text PRIMARY KEY, a blob, b text)")
        sizes = [1, 1, 2 * PIECE_BYTES, 1, PIECE_BYTES // 2, PIECE_BYTES // 2, PIECE_BYTES // 2, 1, 1]
        connection.executemany(
            "INSERT INTO t (rowid, id, a, b) VALUES (?, ?, zeroblob(?), 'x')",
            [(number * 10 - 40, str(number), size) for number, size in enumerate(sizes)],
        )
        connection.commit()
    (tmp_path / "scratch").mkdir()

    with open_database(DatabaseAddress.from_url(f"sqlite:///{source}")).view(tmp_path / "scratch", 1) as view:
        (table,) = view.tables()
        pieces = list(view.batches(table, view.measure(table), Part("", 0), 4))

    assert [name for piece in pieces for name in piece.column("id").to_pylist()] == [str(n) for n in range(len(sizes))]
    assert max(piece.num_rows for piece in pieces) <= 4
    assert max(piece.nbytes for piece in pieces) < 3.2 * PIECE_BYTES  # the widest row, and less than a piece before it


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_file_that_this_user_may_not_read_is_named_and_not_tried_again(closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755 if closed == "file" else 0o700)
        path = Path(folder) / "edms.sqlite3"
        sqlite3.connect(path).close()
        path.write_bytes(b"")
        path.chmod(0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(DatabaseUnreadable, match="65534") as refused:
                open_database(DatabaseAddress.from_url(f"sqlite:///{path}")).check()
        finally:
            os.seteuid(0)

    assert not refused.value.transient
    assert "user 0" in refused.value.why
