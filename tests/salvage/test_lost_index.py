"""Pieces of the index of files that are gone: the files of the other pieces are back, in their folders."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from edms_tasks.files import restore_files
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.salvage import survey_files
from flows.cli.app import app
from tests.direct_access import query
from tests.independent_comparison import picture_of_files
from tests.plain_snapshot_reader import files_digest
from tests.reference_system import Engine
from tests.salvage.damaged_system import Json, System, damaged, flip

pytestmark = pytest.mark.usefixtures("edms_asked_once")

PIECES = 4
MADE_UP_AT = 1_700_000_000


@pytest.fixture(scope="module")
def system(systems: Callable[[Engine], System]) -> System:
    """A snapshot whose index stands in several pieces, as that of a folder with millions of files does."""
    whole = systems("sqlite")
    manifest = whole.manifest
    index = manifest["files"][0]
    rows = pq.read_table(io.BytesIO(whole.plain.object(index["index"][0])))
    each = -(-rows.num_rows // PIECES)
    index["index"] = [_store(whole, rows.slice(start, each)) for start in range(0, rows.num_rows, each)]
    assert len(index["index"]) == PIECES
    data = json.dumps(manifest).encode()
    snapshot = hashlib.sha256(data).hexdigest()
    (whole.protected.repository / "snapshots" / f"{snapshot}.json").write_bytes(data)
    return System(whole.protected, snapshot, whole.first, whole.odd)


def _store(system: System, rows: object) -> Json:
    target = io.BytesIO()
    pq.write_table(rows, target)
    data = target.getvalue()
    ref = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    system.path(ref).parent.mkdir(exist_ok=True)
    system.path(ref).write_bytes(data)
    return ref


def _names(system: System, pieces: list[Json], kind: str = "file") -> set[str]:
    tables = (pq.read_table(io.BytesIO(system.path(ref).read_bytes())).to_pylist() for ref in pieces)
    return {row["path"].decode() for rows in tables for row in rows if row["kind"] == kind}


@pytest.mark.long  # of one file, below
@pytest.mark.parametrize("lost", [(0,), (1,), (PIECES - 1,), (0, 2), tuple(range(PIECES))])
def test_files_of_the_other_pieces_are_back_in_their_folders(
    lost: tuple[int, ...], system: System, tmp_path: Path
) -> None:
    manifest = system.manifest["files"][0]
    pieces = manifest["index"]
    kept = _names(system, [ref for number, ref in enumerate(pieces) if number not in lost])
    listed = _names(system, [ref for number, ref in enumerate(pieces) if number not in lost], "dir")
    gone = _names(system, [pieces[number] for number in lost])
    was = picture_of_files(system.edms.media)
    repository = _only_read(system, tmp_path)
    before = _contents(system.protected.repository)

    with damaged(*((system.path(pieces[number]), flip) for number in lost)):
        index = FileIndex.model_validate(manifest)
        left = survey_files(index, repository, tmp_path / "survey", made_up_at_ns=MADE_UP_AT * 10**9)
        restore_files(left.index, repository, tmp_path / "back", scratch=tmp_path)

    now = picture_of_files(tmp_path / "back")
    assert {path for path, entry in now.items() if entry[0] == "file"} == kept
    assert all(now[path] == was[path] for path in kept)
    assert left.loss is not None
    assert (left.loss.lost, left.loss.named, left.loss.nameless) == (len(gone), 0, len(gone))
    assert [piece.sha256 for piece in left.loss.pieces] == [pieces[number]["sha256"] for number in lost]
    above = {parent.as_posix() for path in (*kept, *listed) if path for parent in Path(path).parents}
    made_up = {"" if path == "." else path for path in above} - listed
    assert left.loss.bare_folders == len(made_up)
    for path in made_up:
        found = (tmp_path / "back" / path).stat()
        assert (found.st_mode & 0o777, int(found.st_mtime)) == (0o700, MADE_UP_AT)
    assert _contents(system.protected.repository) == before, "the repository is only read"


def test_a_file_whose_content_is_not_what_the_index_says_is_lost_alone(system: System, tmp_path: Path) -> None:
    """The pack is what its name says, and holds other bytes than the index promises: as hostile archives do."""
    manifest = system.manifest["files"][0]
    listed = [row for ref in manifest["index"] for row in pq.read_table(system.path(ref)).to_pylist()]
    other = next(row for row in listed if row["size"])
    same = [row["path"].decode() for row in listed if row["sha256"] == other["sha256"]]
    lying = [row | {"sha256": "0" * 64} if row["sha256"] == other["sha256"] else row for row in listed]
    ref = _store(system, pa.Table.from_pylist(lying, schema=pq.read_schema(system.path(manifest["index"][0]))))
    digest = files_digest(pd.DataFrame(lying))
    index = FileIndex.model_validate({**manifest, "index": [ref], "digest": digest})

    left = survey_files(index, _only_read(system, tmp_path), tmp_path / "survey", made_up_at_ns=0)

    assert left.loss is not None
    assert (left.loss.lost, left.loss.wrong, sorted(left.loss.examples)) == (len(same), 1, sorted(same))
    assert left.index.files == index.files - len(same)


@pytest.mark.parametrize("lie", [{"files": 1}, {"digest": "0" * 32}])
def test_no_file_comes_back_by_an_index_that_is_not_what_the_manifest_says(
    lie: dict[str, object], system: System, tmp_path: Path
) -> None:
    index = FileIndex.model_validate({**system.manifest["files"][0], **lie})

    left = survey_files(index, _only_read(system, tmp_path), tmp_path / "survey", made_up_at_ns=0)

    assert left.loss is not None and "is damaged" in left.loss.why
    assert (left.index.files, left.index.index, left.loss.lost) == (0, (), index.files)


@pytest.mark.long
def test_the_command_leaves_with_1_and_names_what_is_lost(system: System, tmp_path: Path) -> None:
    pieces = system.manifest["files"][0]["index"]
    gone = _names(system, [pieces[1]])
    into, _ = system.into
    command = ["restore", system.snapshot, "--salvage", "--into", into, "--into-files", str(tmp_path / "files")]

    with damaged((system.path(pieces[1]), Path.unlink)):
        done = CliRunner().invoke(app, ["--config", str(system.protected.config), "--json", *command])

    said = json.loads(done.stdout)
    assert (done.exit_code, said["exit_code"], said["success"], said["verdict"]) == (1, 1, False, "salvaged")
    (files,) = said["losses"]["files"]
    assert (files["lost"], files["nameless"], files["pieces"][0]["sha256"]) == (
        len(gone),
        len(gone),
        pieces[1]["sha256"],
    )
    assert said["losses"]["rows_lost"] == 0 and said["rows"] == sum(
        e["state"]["rows"] for e in system.manifest["tables"]
    )
    naming = {
        path for (path,) in query(system.edms, "SELECT file FROM documents_document WHERE file <> ''") if path in gone
    }
    listed = (Path(said["report_html"]).parent / "dangling.csv").read_text(encoding="utf-8")
    assert naming and all(path in listed for path in naming if '"' not in path)
    assert "absent file" in listed


def _only_read(system: System, folder: Path) -> Repository:
    return Repository.open(system.protected.settings.repository).with_overlay(folder / "own")


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
