"""Every trait a Django project can have, with a third of all chunks gone: what is left comes back all the same."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.inventory.model import Table
from tests.reference_system import Engine, LazyPostgres
from tests.running import run_restore
from tests.salvage.damaged_system import damaged
from tests.zoo.relations import picture_of_relation, quoted
from tests.zoo.the_zoo import Zoo, open_zoo

# A zoo takes long to open.
pytestmark = pytest.mark.long
ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@pytest.fixture(scope="module", params=ENGINES)
def zoo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres
) -> Iterator[Zoo]:
    name = f"zoo_left_{secrets.token_hex(3)}"
    server = _lazy_postgres.server if request.param == "postgresql" else None
    yield open_zoo(request.param, tmp_path_factory.mktemp("zoo"), server, name)
    for database in server.databases() if server is not None else ():
        if database.startswith(name):
            server.drop_database(database)


@pytest.mark.parametrize("seed", range(3))
def test_the_rows_of_all_remaining_chunks_are_restored(seed: int, zoo: Zoo, tmp_path: Path) -> None:
    chance = random.Random(seed)
    objects = {chunk.object.sha256 for entry in zoo.manifest.tables for chunk in entry.chunks}
    gone = {name for name in sorted(objects) if chance.random() < 1 / 3}
    folder = Path(zoo.settings.repository.url) / "objects"
    into, url = _beside(zoo, tmp_path, seed)

    with damaged(*((folder / name[:2] / name, Path.unlink) for name in gone)):
        result = run_restore(zoo.settings, snapshot="latest", into=into, into_files=tmp_path / "files", salvage=True)

    assert result.verdict == "salvaged", result.failures
    for entry in zoo.manifest.tables:
        left = sum(chunk.rows for chunk in entry.chunks if chunk.object.sha256 not in gone)
        was, now = (Counter(_rows(database, entry.table)) for database in (zoo.source, url))
        assert now.total() == left and now <= was, entry.table.id


def _rows(url: str, table: Table) -> list[str]:
    name = table.name
    if table.schema_name not in (None, "public"):
        name = f"{quoted(str(table.schema_name))}.{quoted(table.name)}"
    rows = list(picture_of_relation(url, name)["rows"])
    if not url.startswith("sqlite"):
        rows.remove("")  # what stands behind the last line of a COPY
    return rows


def _beside(zoo: Zoo, folder: Path, seed: int) -> tuple[str, str]:
    if zoo.source.startswith("sqlite"):
        return str(folder / "left.sqlite3"), f"sqlite:///{folder / 'left.sqlite3'}"
    name = zoo.source.rsplit("/", 1)[1]
    return name.replace("_source", f"_left{seed}"), zoo.source.replace("_source", f"_left{seed}")
