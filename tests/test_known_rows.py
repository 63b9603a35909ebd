"""Rows that are as they were are not joined with natural keys again, and still have the keys that a whole backup would give them.

Each round changes a small database at random, in the ways in which a key can change far away from the row that shows it, and backs it up
twice: with what the previous snapshot has, and as if there were none.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.extract import extract_table
from edms_tasks.incremental.compared_rows import compare_rows
from edms_tasks.incremental.known_rows import KnownRows, find_known_rows, recorded_keys, still_hold
from edms_tasks.incremental.previous_rows import Previous
from edms_tasks.inventory.model import GenericReference, Table
from edms_tasks.inventory.natural_keys import derive_candidates
from edms_tasks.keys.checking import check_keys
from edms_tasks.manifest import TableEntry, TableState
from edms_tasks.package import store_table, verify_table
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, open_workspace
from edms_tasks.serialize import serialize_table
from edms_tasks.settings import RepositorySettings
from edms_tasks.soft.soft_references import with_declared
from edms_tasks.soft_reference_settings import SoftReferenceSettings

SCHEMA = """
CREATE TABLE django_content_type (id integer primary key, app_label text, model text, UNIQUE (app_label, model));
CREATE TABLE kind (id integer primary key, code text, rank real);
CREATE TABLE folder (id integer primary key, name text, parent_id integer REFERENCES folder(id), UNIQUE (parent_id, name));
CREATE TABLE doc (id integer primary key, number text UNIQUE, kind_id integer REFERENCES kind(id), weight real UNIQUE, title text);
CREATE TABLE version (id integer primary key, doc_id integer REFERENCES doc(id), n integer, said text);
CREATE TABLE mark (id integer primary key, version_id integer REFERENCES version(id), what text, UNIQUE (version_id, what));
CREATE TABLE note (id integer primary key, number text REFERENCES doc(number), weight real REFERENCES doc(weight), text text);
CREATE TABLE log (id integer primary key, content_type_id integer, object_id text, what text);
CREATE TABLE tag (id integer primary key, content_type_id integer REFERENCES django_content_type(id), object_id text, what text,
    UNIQUE (content_type_id, object_id, what));
CREATE TABLE tagging (id integer primary key, tag_id integer REFERENCES tag(id), place text);
CREATE TABLE paper (id integer primary key, docs text, title text);
INSERT INTO django_content_type VALUES (1, 'app', 'doc'), (2, 'app', 'version'), (3, 'app', 'kind'), (4, 'app', 'gone');
"""
MODELS = {"doc": ("app", "doc"), "version": ("app", "version"), "kind": ("app", "kind")}
DECLARED = {"kind": ["code", "rank"], "version": ["doc_id.number", "n"], "tagging": ["tag_id", "place"]}
ROUNDS = 3


@pytest.mark.long
def test_keys_are_those_of_a_whole_backup(tmp_path: Path) -> None:
    taken = sum((_backups_of_a_changing_database(seed, tmp_path / str(seed)) for seed in (0, 5)), Counter[str]())

    assert taken["whole"] and taken["partly"] and taken["not at all"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log SET what = 'other' WHERE id = 30",  # the first examples stand in blocks that stay
        "UPDATE log SET what = 'other' WHERE id = 3",  # in both
        "DELETE FROM log WHERE id < 4",
        "UPDATE log SET object_id = '1' WHERE id = 3",
        "INSERT INTO log VALUES (40, 1, '800', 'new')",
        "UPDATE paper SET title = 'other' WHERE id = 30",
        "UPDATE paper SET docs = '1' WHERE id = 3",
    ],
)
def test_a_table_with_references_to_nothing_is_not_joined_whole(change: str, tmp_path: Path) -> None:
    path = tmp_path / "small.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO doc VALUES (1, 'D1', NULL, NULL, 'Title')")
        for n in range(1, 33):
            connection.execute("INSERT INTO log VALUES (?, 1, ?, 'what')", (n, str(900 + n % 7 if n % 3 == 0 else 1)))
            connection.execute("INSERT INTO paper VALUES (?, ?, 'title')", (n, f"1,{900 + n % 7}"))
    backups = Backups(path, tmp_path)
    backups.run()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)

    backups.run()

    assert backups.taken["partly"] == 1
    assert backups.taken["whole"] == 3  # the content types, and two of documents, log and papers


def _backups_of_a_changing_database(seed: int, folder: Path) -> Counter[str]:
    """How rows of tables were taken over, in backups each of which was checked."""
    folder.mkdir()
    chance = random.Random(seed)
    path = folder / "small.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        for table, values in _first_rows(chance):
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    backups = Backups(path, folder)
    backups.run()
    for _ in range(ROUNDS):
        with closing(sqlite3.connect(path)) as connection, connection:
            for _ in range(chance.randrange(4)):
                _change(chance, connection)
        backups.run()
    return backups.taken


def _first_rows(chance: random.Random) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Some of what they refer to is not there."""
    yield from (("kind", (n, f"K{n}", 0.0)) for n in range(1, 13))
    yield from (("folder", (n, f"F{n}", chance.choice([None, *range(1, n)]))) for n in range(1, 20))
    for n in range(1, 41):
        yield "doc", (n, f"D{n}", chance.choice([None, *range(1, 15)]), n / 2, f"Title {n}")
    for n in range(1, 61):
        yield "version", (n, n % 44 or None, n, "said")
        yield "mark", (n, n % 64 or None, f"M{n % 3}-{n}")
        yield "note", (n, f"D{n % 44}", (n % 44) / 2, "text")
        yield "log", (n, chance.choice([None, 1, 2, 3, 4, 9]), str(chance.randrange(1, 60)), "what")
        yield "tag", (n, 1 + n % 3, str(1 + n % 45), f"T{n}")
        yield "tagging", (n, n % 66 or None, f"P{n}")
        yield "paper", (n, ",".join(str(chance.randrange(1, 48)) for _ in range(chance.randrange(4))), "title")


def _change(chance: random.Random, connection: sqlite3.Connection) -> None:
    """One change; those of which the database allows only one are left out then."""

    def some(table: str) -> int:
        rows = connection.execute(f"SELECT id FROM {table}").fetchall()
        return int(chance.choice(rows)[0]) if rows else 0

    one, other, new = some("doc"), some("doc"), chance.randrange(41, 60)
    number = f"N{chance.randrange(1000)}"
    changes: Sequence[Sequence[tuple[str, tuple[Any, ...]]]] = [
        # far away from the rows that show it
        [("UPDATE kind SET code = ? WHERE id = ?", (number, some("kind")))],
        [("UPDATE doc SET number = ? WHERE id = ?", (number, one))],
        [("UPDATE version SET n = n + 1000 WHERE id = ?", (some("version"),))],
        [("UPDATE tag SET what = ? WHERE id = ?", (number, some("tag")))],
        [("UPDATE folder SET name = ? WHERE id = ?", (number, some("folder")))],
        # two keys are swapped
        [
            ("UPDATE doc SET number = 'x' || number WHERE id = ?", (one,)),
            ("UPDATE doc SET number = (SELECT substr(number, 2) FROM doc WHERE id = ?) WHERE id = ?", (one, other))
            if one != other
            else ("SELECT 1", ()),
        ],
        [("UPDATE kind SET id = -id WHERE id IN (1, 2)", ()), ("UPDATE kind SET id = 3 + id WHERE id < 0", ())],
        # a key changes, and another row gets the old one; the id stays, and the row is another
        [
            ("INSERT INTO kind SELECT ?, code, rank FROM kind WHERE id = 1", (new,)),
            ("UPDATE kind SET code = ? WHERE id = 1", (number,)),
        ],
        [
            ("DELETE FROM doc WHERE id = ?", (one,)),
            ("INSERT INTO doc VALUES (?, ?, NULL, NULL, 'again')", (one, number)),
        ],
        # NULL and value; what was nowhere is there, and the other way round
        [("UPDATE doc SET number = NULL WHERE id = ?", (one,))],
        [("UPDATE doc SET number = ? WHERE number IS NULL", (number,))],
        [("UPDATE doc SET kind_id = NULL WHERE id = ?", (one,))],
        [("UPDATE kind SET rank = rank + 1 WHERE id = ?", (some("kind"),))],
        [("UPDATE doc SET weight = weight + 0.1 WHERE id = ?", (one,))],
        [("INSERT INTO doc VALUES (?, ?, 1, ?, 'new')", (new, f"D{new}", new / 2))],
        [("INSERT INTO kind VALUES (?, ?, 0.0)", (new - 28, number))],
        [("DELETE FROM doc WHERE id = ?", (one,))],
        [("DELETE FROM kind WHERE id = ?", (some("kind"),))],
        [("DELETE FROM version WHERE id > 50", ())],
        # references lead elsewhere
        [("UPDATE version SET doc_id = ? WHERE id = ?", (other, some("version")))],
        [("UPDATE folder SET parent_id = NULL WHERE id = ?", (some("folder"),))],
        [("UPDATE django_content_type SET model = model || 's' WHERE id = ?", (chance.randrange(1, 5),))],
        [("INSERT INTO log VALUES (?, 1, ?, 'new')", (new + 40, str(one)))],
        # keys stay
        [("UPDATE doc SET title = ? WHERE id = ?", (number, one))],
        [("UPDATE paper SET title = ? WHERE id = ?", (number, some("paper")))],
        [("UPDATE note SET text = ? WHERE id > 55", (number,))],
        [("DELETE FROM mark", ())]
        if chance.random() < 0.2
        else [("UPDATE mark SET what = what || '!' WHERE id = 7", ())],
    ]
    connection.execute("SAVEPOINT one")
    try:
        for statement, values in chance.choice(changes):
            connection.execute(statement, values)
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK TO one")


@dataclass
class Backups:
    """Backups of a database, one after another, without an EDMS around it."""

    path: Path
    folder: Path
    entries: list[TableEntry] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.repository = Repository.create(RepositorySettings(url=str(self.folder / "repository")))
        self.chunk_rows = 8

    def run(self) -> None:
        """Back up, and check the result against a whole backup of the same rows."""
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        with open_database(DatabaseAddress.from_url(f"sqlite:///{self.path}")).view(work, 1) as view:
            tables = _described({table.id: table for table in view.tables()})
            raws = {name: extract_table(view, one, work / "raw" / name, 16) for name, one in tables.items()}
        with open_workspace(work / "workspace", memory_limit_mb=200, threads=1) as workspace:
            whole = self._whole(tables, raws)
            made = self._incremental(tables, raws, workspace)
            self.entries = [store_table(self.repository, *one) for one in made]
            for entry in self.entries:
                state, rows = whole[entry.table.id]
                assert entry.state.model_copy(update={"proof": None}) == state.model_copy(update={"proof": None})
                assert self._stored(entry) == rows
                assert verify_table(self.repository, entry, workspace, work / "verify").problems == ()

    def _incremental(
        self, tables: Mapping[str, Table], raws: Mapping[str, RawTable], workspace: Workspace
    ) -> list[tuple[Table, Any]]:
        work = self.folder / "work"
        manifest: Any = SimpleNamespace(tables=tuple(self.entries), findings=())
        previous = Previous("", manifest)
        stored = {
            name: previous.find(self.repository, t, raws[name].encodings, work / "old" / name)
            for name, t in tables.items()
        }
        compared = {
            name: found
            for name, one in stored.items()
            if one and (found := compare_rows(raws[name], one, work / "compared" / name, self.chunk_rows))
        }
        known: dict[str, KnownRows] = find_known_rows(tables, raws, manifest, compared, workspace, work / "changed")
        recorded = recorded_keys(list(tables.values()), known, ())
        changed = {name: one.compared.changed for name, one in known.items()}
        keys = check_keys(list(tables.values()), raws, workspace, recorded, changed)
        if not still_hold(known, keys, manifest):
            known, keys = {}, check_keys(list(tables.values()), raws, workspace)
        for name in tables if self.entries else ():
            self.taken["not at all" if name not in known else "whole" if known[name].is_whole else "partly"] += 1
        made = []
        for name, table in tables.items():
            one = stored[name] if name not in known else None
            if one is not None and one.entry.natural_key != keys.keys[name].natural_key:
                one = None
            to = work / "made" / name
            made.append((table, serialize_table(table, raws[name], keys, to, self.chunk_rows, one, known.get(name))))
        return made

    def _whole(
        self, tables: Mapping[str, Table], raws: Mapping[str, RawTable]
    ) -> dict[str, tuple[TableState, Counter[str]]]:
        found = {}
        with open_workspace(self.folder / "work" / "other", memory_limit_mb=200, threads=1) as apart:
            keys = check_keys(list(tables.values()), raws, apart)
            for name, table in tables.items():
                made = serialize_table(table, raws[name], keys, self.folder / "work" / "whole" / name, 1000)
                found[name] = made.state, _rows([block.new.path for block in made.blocks if block.new])
        return found

    def _stored(self, entry: TableEntry) -> Counter[str]:
        return _rows(fetch_chunks(self.repository, entry, self.folder / "work" / "fetched" / entry.table.id))


def _rows(paths: Sequence[Path]) -> Counter[str]:
    """Rows as texts, in which -0.0 is not 0.0."""
    tables: list[pa.Table] = [pq.read_table(path) for path in paths]
    return Counter(repr(sorted(row.items())) for table in tables for row in table.to_pylist())


def _described(found: dict[str, Table]) -> dict[str, Table]:
    """The tables with references and keys that only settings and models know."""
    generic = GenericReference(name="about", content_type_column="content_type_id", object_id_column="object_id")
    known = {
        name: table.model_copy(
            update={
                "content_type": MODELS.get(name),
                "references": (*table.references, *((generic,) if name in ("log", "tag") else ())),
            }
        )
        for name, table in found.items()
    }
    soft = SoftReferenceSettings(column="paper.docs", target="doc", separator=",")
    tables = with_declared(known, [soft])
    candidates, _ = derive_candidates(tables, {}, DECLARED)
    return {name: table.model_copy(update={"key_candidates": candidates[name]}) for name, table in tables.items()}
