"""The systems whose backups and restores are measured for the cost model, few and small; those held out test it.

*Mixed* rows are the reference EDMS's own, with their references. *Narrow* and *wide* ones are in tables that no model owns, with 4 and 30
columns. So rows, values and bytes do not grow in step, as they would in copies of one system, and the model can tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.changes import work_goes_on
from benchmarks.cost_points import Size
from benchmarks.file_contents import FileMaker
from benchmarks.installation import Site
from benchmarks.multiply import count
from benchmarks.open_database import OpenDatabase, name_of, open_database
from edms_tasks.inventory.model import ForeignReference
from tests.reference_system import ReferenceEdms

_SHARE = 0.01  # of rows and files that change before the next backup
_FILES_PER_FOLDER = 50
_LARGE_FILE = 2_000_000


@dataclass(frozen=True)
class Subject:
    """A system; `store` is "folder" or "s3", `workers` are those of a Dask cluster, 0: none."""

    name: str
    mixed: int = 0
    narrow: int = 0
    wide: int = 0
    small_files: int = 0  # of 1 to 50 kB
    large_files: int = 0  # of 2 MB
    store: str = "folder"
    workers: int = 0
    held_out: bool = False


SUBJECTS = {
    one.name: one
    for one in (
        Subject("mixed 100k", mixed=100_000),
        Subject("mixed 500k", mixed=500_000),
        Subject("mixed 1M", mixed=1_000_000),
        Subject("narrow 500k", narrow=500_000),
        Subject("wide 100k", wide=100_000),
        Subject("wide 300k", wide=300_000),
        Subject("files 1k", small_files=1_000),
        Subject("files 20k", small_files=20_000),
        Subject("large files 200", large_files=200),
        Subject("s3 100k, 1k files", mixed=100_000, small_files=1_000, store="s3"),
        Subject("s3 500k", mixed=500_000, store="s3"),
        Subject("s3 5k files, 100 large", small_files=5_000, large_files=100, store="s3"),
        Subject("2 workers, 100k", mixed=100_000, store="s3", workers=2),
        Subject("2 workers, narrow 300k", narrow=300_000, store="s3", workers=2),
        Subject("2 workers, wide 100k", wide=100_000, store="s3", workers=2),
        Subject("2 workers, 5k files", small_files=5_000, store="s3", workers=2),
        Subject("2 workers, large files 100", large_files=100, store="s3", workers=2),
        Subject("2 workers, 1M, 20k files", mixed=1_000_000, small_files=20_000, store="s3", workers=2),
        Subject("mixed 3M", mixed=3_000_000, held_out=True),
        Subject("files 100k", small_files=100_000, held_out=True),
        Subject("s3 300k, 5k files", mixed=300_000, small_files=5_000, store="s3", held_out=True),
        Subject("1 worker, 1M, 20k files", mixed=1_000_000, small_files=20_000, store="s3", workers=1, held_out=True),
    )
}


def build(subject: Subject, site: Site, name: str) -> ReferenceEdms:
    """Install the system, with its rows and files."""
    edms = site.install(name, subject.mixed)
    with open_database(edms.database_url) as database:
        for table, rows in (("capacity_narrow", subject.narrow), ("capacity_wide", subject.wide)):
            if rows:
                database.run(f"CREATE TABLE {table} ({', '.join(_COLUMNS[table])})")
                database.run(f"INSERT INTO {table} SELECT {', '.join(_VALUES[table])} FROM {database.series(rows)}")
    with open_database(edms.database_url) as database:
        database.run("ANALYZE")
    maker = FileMaker(seed=1)
    maker.write(_places(edms, "small", subject.small_files))
    for path in _places(edms, "large", subject.large_files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(maker.content(_LARGE_FILE))
    return edms


def change(subject: Subject, edms: ReferenceEdms) -> None:
    """What happens between two backups: a hundredth of rows and files, where work goes on."""
    if subject.mixed:
        work_goes_on(edms, _SHARE)
    with open_database(edms.database_url) as database:
        for table, rows, column in (
            ("capacity_narrow", subject.narrow, "amount"),
            ("capacity_wide", subject.wide, "number_0"),
        ):
            if rows:
                database.run(f"UPDATE {table} SET {column} = {column} + 1 WHERE id > {round(rows * (1 - _SHARE))}")
    maker = FileMaker(seed=2)
    if not subject.mixed:
        maker.write(_places(edms, "small", max(1, round(subject.small_files * _SHARE)) if subject.small_files else 0))


def size_of(edms: ReferenceEdms) -> Size:
    """Measure the system as an administrator can."""
    with open_database(edms.database_url) as database:
        rows = {table.id: count(database, table) for table in database.tables}
        values = sum(rows[table.id] * len(table.stored_columns) for table in database.tables)
        references = sum(
            rows[table.id] * sum(isinstance(one, ForeignReference) for one in table.references)
            for table in database.tables
        )
        taken = sum(_table_bytes(database, name_of(table)) for table in database.tables)
    files = [path.stat().st_size for path in edms.media.rglob("*") if path.is_file()]
    return Size(sum(rows.values()), values, taken, references, len(files), sum(files))


def _table_bytes(database: OpenDatabase, name: str) -> int:
    return int(database.rows(f"SELECT pg_table_size('{name}')")[0][0])


def _places(edms: ReferenceEdms, kind: str, files: int) -> Iterable[Path]:
    for number in range(files):
        yield edms.media / kind / f"{number // _FILES_PER_FOLDER:06d}" / f"{number:06d}.bin"


_COLUMNS = {
    "capacity_narrow": [
        "id bigint PRIMARY KEY",
        "owner bigint NOT NULL",
        "amount integer NOT NULL",
        "code varchar(32) NOT NULL UNIQUE",
    ],
    "capacity_wide": [
        "id bigint PRIMARY KEY",
        *(f"number_{place} integer NOT NULL" for place in range(8)),
        *(f"time_{place} timestamptz NOT NULL" for place in range(6)),
        *(f"choice_{place} varchar(20) NOT NULL" for place in range(7)),
        *(f"text_{place} text NOT NULL" for place in range(8)),
    ],
}
_VALUES = {
    "capacity_narrow": ["k", "k / 10 + 1", "(random() * 1000000)::integer", "md5(k::text)"],
    "capacity_wide": [
        "k",
        *(f"(k * {place + 3}) % 100000" for place in range(8)),
        *(f"timestamptz '2020-01-01' + k * interval '{place + 1} second 7 microseconds'" for place in range(6)),
        *(f"'choice ' || (k / {place + 1}) % {place + 5}" for place in range(7)),
        *(f"md5((k + {place})::text) || ' of row ' || k" for place in range(8)),
    ],
}
