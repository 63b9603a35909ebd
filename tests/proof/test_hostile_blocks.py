"""A manifest whose blocks do not make sense is refused, or its table fails; nothing crashes and nothing passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Manifest
from edms_tasks.package import verify_table
from edms_tasks.proof.table_proof import cuts_of
from edms_tasks.repository import Repository
from edms_tasks.scratch.workspace import open_workspace
from tests.backed_up import BackedUp, BackedUpSystems

pytestmark = pytest.mark.usefixtures("edms_asked_once")

COMMENTS = "documents.DocumentComment"
Change = Callable[[dict[str, Any]], None]


def _first_block(change: Change) -> Change:
    return lambda entry: change(entry["blocks"][0])


REFUSED: dict[str, Change] = {
    "no blocks": lambda entry: entry.update(blocks=None),
    "no proof": lambda entry: entry["state"].update(proof=None),
    "no types": lambda entry: entry.update(types=None),
    "no order": lambda entry: entry.update(ordered_by=None),
    "an order by nothing there is": lambda entry: entry.update(ordered_by=["nothing"]),
    "a chunk of no block": lambda entry: entry["chunks"][0].update(block=None),
    "a chunk of a block there is not": lambda entry: entry["chunks"][0].update(block=99),
    "a block without chunks": lambda entry: entry["blocks"].append(entry["blocks"][0]),
    "a block without rows": _first_block(lambda block: block.update(rows=0)),
    "more rows than the table": _first_block(lambda block: block.update(rows=block["rows"] + 1)),
    "a column without a hash": _first_block(lambda block: block["columns"].pop("text") and None),
    "a hash of a column there is not": _first_block(lambda block: block["columns"].update(x="0" * 64)),
    "a hash that is none": _first_block(lambda block: block["columns"].update(text="?" * 64)),
    "a key of two parts": _first_block(lambda block: block.update(first=["1", "2"])),
    "the digests of format 1": lambda entry: entry["state"].update(proof=None, exact_digest="0" * 32),
}


def _last_block(change: Change) -> Change:
    return lambda entry: change(entry["blocks"][-1])


FAILED: dict[str, Change] = {
    "another hash": _last_block(lambda block: block["columns"].update(text="0" * 64)),
    "another proof": lambda entry: entry["state"].update(proof="0" * 64),
    "other types": lambda entry: entry["types"].update(text="binary"),
    "another order": lambda entry: entry.update(ordered_by=["text"]),
    "blocks that changed places": lambda entry: entry["blocks"].reverse(),
}


@pytest.fixture
def system(backed_up: BackedUpSystems) -> BackedUp:
    return backed_up("sqlite", documents=20, top="chunk_rows = 9")


def _changed(system: BackedUp, change: Change) -> bytes:
    data = (system.protected.repository / "snapshots" / f"{system.first.snapshot_id}.json").read_bytes()
    manifest = json.loads(data)
    (entry,) = [entry for entry in manifest["tables"] if entry["table"]["model"] == COMMENTS]
    assert len(entry["blocks"]) > 2
    change(entry)
    return json.dumps(manifest).encode()


@pytest.mark.parametrize("lie", REFUSED)
def test_a_manifest_whose_blocks_are_not_complete_is_refused(lie: str, system: BackedUp) -> None:
    Manifest.from_json(_changed(system, lambda entry: None), where="")  # nothing but the lie is refused
    with pytest.raises(DamagedRepository, match="The manifest cannot be read"):
        Manifest.from_json(_changed(system, REFUSED[lie]), where="")


@pytest.mark.parametrize("lie", FAILED)
def test_blocks_that_are_not_those_of_the_rows_fail_the_verification(
    lie: str, system: BackedUp, tmp_path: Path
) -> None:
    manifest = Manifest.from_json(_changed(system, FAILED[lie]), where="")
    entry = next(entry for entry in manifest.tables if entry.table.model == COMMENTS)

    with open_workspace(tmp_path / "workspace", memory_limit_mb=64, threads=1) as workspace:
        repository = Repository.open(system.protected.settings.repository)
        found = verify_table(repository, entry, workspace, tmp_path / "chunks")

    assert found.problems and all(COMMENTS in problem for problem in found.problems)


def test_a_key_that_is_no_value_of_its_column_is_damage(system: BackedUp) -> None:
    changed = _changed(system, lambda entry: entry["blocks"][1].update(first=["no number"]))
    entry = next(e for e in Manifest.from_json(changed, where="").tables if e.table.model == COMMENTS)

    with pytest.raises(DamagedRepository, match="no possible key"):
        cuts_of(entry, pa.schema([(name, pa.int64()) for name in entry.types or {}]))
