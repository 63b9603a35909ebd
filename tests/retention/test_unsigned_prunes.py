"""Where nothing is signed, the trail says which removals only unsigned records vouch for, and which the log knows nothing of."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edms_tasks.pruning.unsigned_prunes import notes_on_unsigned_prunes
from edms_tasks.repository.records import NamedSnapshot
from flows.cli.app import app
from tests.retention.library import NOON, Library


@pytest.fixture
def config(local: Library, tmp_path: Path) -> Path:
    return config_of(local, tmp_path)


def config_of(library: Library, folder: Path) -> Path:
    path, settings = folder / "edms-backup.toml", library.settings
    keys = "".join(
        f'{name} = "{value}"\n' for name in ("write_key", "identity") if (value := getattr(settings, name)) is not None
    )
    path.write_text(
        f'workdir = "{library.workdir}"\n[edms]\nid = "ours"\n[repository]\nurl = "{settings.url}"\n{keys}',
        encoding="utf-8",
    )
    return path


def trail(config: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["--config", str(config), "log", "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def unknown(config: Path) -> list[str]:
    return [note for note in trail(config)["notes"] if "the log has no such prune" in note]


def prune(config: Path) -> None:
    done = CliRunner().invoke(app, ["--config", str(config), "prune", "--keep-last", "3"])
    assert done.exit_code == 0, done.output


def forge(local: Library, snapshot: str) -> None:
    """Remove a snapshot, and record it as pruned, as somebody else does who can write there."""
    (true, *_) = [one for one in local.repository.records.read().by_id.values() if one.kind == "pruned"]
    named = NamedSnapshot(id=snapshot, edms="ours", created=NOON, number=2)
    data = true.model_copy(update={"snapshots": (named,), "by": "Ann", "host": "elsewhere"}).to_json()
    local.store.remove(local.store.path_of_snapshot(snapshot))
    local.repository.backend.write(f"records/{hashlib.sha256(data).hexdigest()}.json", [data])


def test_a_forged_prune_is_named_because_the_log_has_none(local: Library, config: Path) -> None:
    made = [local.add(day) for day in range(5)]
    assert trail(config)["notes"] == [note for note in trail(config)["notes"] if "signed" not in note]
    prune(config)
    (said,) = [note for note in trail(config)["notes"] if "signed" in note]
    assert "2 snapshots were removed by 1 prune" in said
    assert unknown(config) == []

    forge(local, made[3])

    (said,) = unknown(config)
    assert "Ann on elsewhere" in said and made[3][:12] in said
    prune(config)
    assert unknown(config) == [said], "a later prune does not make it true"


def test_a_prune_of_an_earlier_release_is_known_by_its_number(local: Library, config: Path) -> None:
    for day in range(5):
        local.add(day)
    prune(config)
    records, entries = local.repository.records.read(), local.repository.log.check().entries
    earlier = [one.model_copy(update={"facts": {"removed": one.facts.get("removed")}}) for one in entries]
    assert len(notes_on_unsigned_prunes(records, earlier)) == 1
    others = [one.model_copy(update={"facts": {"removed": 7}}) for one in entries]
    assert len(notes_on_unsigned_prunes(records, others)) == 2
    before = [one.model_copy(update={"at": one.at - timedelta(days=1)}) for one in earlier]
    assert len(notes_on_unsigned_prunes(records, before)) == 2


@pytest.mark.parametrize("said", [7, {"a": 1}, [["x"], None], "text"])
def test_an_entry_that_says_nonsense_names_nothing(said: object, local: Library, config: Path) -> None:
    for day in range(5):
        local.add(day)
    prune(config)
    records, entries = local.repository.records.read(), local.repository.log.check().entries
    forged = [one.model_copy(update={"facts": {"records": said}}) for one in entries]
    assert len(notes_on_unsigned_prunes(records, forged)) == 2


def test_where_prunes_are_signed_nothing_is_said(signed: Library, tmp_path: Path) -> None:
    for day in range(5):
        signed.add(day)
    config = config_of(signed, tmp_path)
    prune(config)
    found = trail(config)
    assert [entry["event"] for entry in found["entries"]].count("prune") == 1
    assert [note for note in found["notes"] if "igned" in note] == []
