"""The connection is lost at the COMMIT of a merge: what is said of it is what the server did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.merge_transaction import MergeTransaction, TableChange
from edms_tasks.databases.postgresql import commit_outcome
from edms_tasks.databases.postgresql.database import PostgresDatabase
from edms_tasks.errors import CommitUndetermined, DatabaseRefused
from edms_tasks.redaction import NOTHING_HIDDEN
from tests.databases.cutting_proxy import Cut, CuttingProxy
from tests.postgres_server import PostgresServer


class Merge:
    """A merge of one row over a proxy."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self.transaction: MergeTransaction | None = None
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE doc (id integer PRIMARY KEY)")

    def carry_out(self, proxy: CuttingProxy) -> None:
        address = DatabaseAddress.from_url(self._url)
        with PostgresDatabase(address).view(self._folder, 1) as view:
            (table,) = view.tables()
        rows = self._folder / "rows.parquet"
        pq.write_table(pa.table({"id": [1]}), rows)
        there = replace(address, host="127.0.0.1", port=str(proxy.port))
        with PostgresDatabase(there).merging(self._folder, [table], NOTHING_HIDDEN) as self.transaction:
            self.transaction.view().measure(table)
            self.transaction.write([TableChange(table, {"id": "native"}, [rows], [])])
            self.transaction.commit()

    @property
    def told(self) -> bool | None:
        """Whether the merge says that it is committed; None if it does not know."""
        assert self.transaction is not None
        return None if self.transaction.undecided else self.transaction.committed

    @property
    def done(self) -> bool:
        """Whether it is."""
        with psycopg.connect(self._url) as connection:
            return connection.execute("SELECT * FROM doc").fetchall() == [(1,)]


@pytest.fixture
def merge(postgres_database: str, tmp_path: Path) -> Merge:
    return Merge(postgres_database, tmp_path)


def test_a_commit_whose_answer_was_lost_is_known_to_be_done(merge: Merge, postgres_server: PostgresServer) -> None:
    with CuttingProxy(postgres_server.port, cut="after") as proxy:
        merge.carry_out(proxy)

    assert proxy.cuts == 1
    assert merge.told is merge.done is True


def test_a_commit_that_never_arrived_is_an_error_and_known_not_to_be_done(
    merge: Merge, postgres_server: PostgresServer
) -> None:
    with CuttingProxy(postgres_server.port, cut="before") as proxy, pytest.raises(DatabaseRefused, match="was lost"):
        merge.carry_out(proxy)

    assert proxy.cuts == 1
    assert merge.told is merge.done is False


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_server_that_does_not_come_back_leaves_it_open(
    cut: Cut, merge: Merge, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_outcome, "_SECONDS", 0)
    with (
        CuttingProxy(postgres_server.port, cut=cut, comes_back=False) as proxy,
        pytest.raises(CommitUndetermined, match="--dry-run"),
    ):
        merge.carry_out(proxy)

    assert merge.told is None
    assert merge.done is (cut == "after")
