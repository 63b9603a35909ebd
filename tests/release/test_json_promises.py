"""What `--json` prints keeps its keys and their types: scripts read them. docs/versioning.md promises it.

EDMS_BACKUP_RECORD_JSON=1 python -m pytest -n0 -m slow tests/release/test_json_promises.py      records them, at a release
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from tests.reference_system import ReferenceEdmsFactory
from tests.running import encrypt, protect

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]
RECORD = Path(__file__).with_name("promised_json.json")
COMMANDS = {
    "backup": ["backup", "--tag", "first"],
    "list": ["list"],
    "status": ["status"],
    "verify": ["verify"],
    "restore": ["restore", "first", "--yes"],
    "restore --dry-run": ["restore", "first", "--dry-run"],
    "rollback": ["rollback", "--yes"],
    "diff": ["diff", "first"],
    "merge --dry-run": ["merge", "first", "--dry-run"],
    "drill": ["drill"],
    "doctor": ["doctor"],
    "inspect": ["inspect"],
    "log": ["log"],
    "schedule": ["schedule"],
    "key list": ["key", "list"],
    "prune --dry-run": ["prune", "--keep-last", "1", "--dry-run"],
    "restore of what is not there": ["restore", "no-such-tag", "--yes"],
}


@pytest.fixture
def printed(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> dict[str, dict[str, str]]:
    """Command -> the keys of what it prints, with the type of each."""
    edms = edms_factory("sqlite", documents=4)
    protected = encrypt(protect(edms, tmp_path, extra="[validate]\ndjango_check = false"))
    found = {}
    for name, words in COMMANDS.items():
        done = CliRunner().invoke(app, ["--config", str(protected.config), "--json", *words])
        found[name] = {key: _kind(value) for key, value in json.loads(done.stdout).items()}
    return found


@pytest.mark.long  # asked at a release
def test_no_key_is_taken_away_or_gets_another_type(printed: dict[str, dict[str, str]]) -> None:
    if os.environ.get("EDMS_BACKUP_RECORD_JSON"):
        RECORD.write_text(json.dumps(printed, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    kept: dict[str, dict[str, str]] = json.loads(RECORD.read_bytes())

    lost = {
        f"{name}: {key} ({kind})"
        for name, keys in kept.items()
        for key, kind in keys.items()
        # What is null here can be something elsewhere.
        if key not in printed[name] or (kind != "null" != printed[name][key] != kind)
    }

    assert kept.keys() == COMMANDS.keys()
    assert lost == set()
    assert {name for name, keys in printed.items() if keys.get("exit_code") != "number"} == set()
    assert "error" in printed["restore of what is not there"]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {int: "number", float: "number", str: "text", list: "list", dict: "object"}[type(value)]
