"""A date that Arrow cannot hold sends its column to another form, in the snapshot or in the target: a merge sees only what it means."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import protect, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.long]

_ONE = "number = (SELECT min(number) FROM documents_document)"


def test_one_infinite_date_changes_only_its_own_row(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("postgresql", documents=5)
    protected = protect(edms, tmp_path)
    pictures, snapshots = [], []
    for value in ("2026-01-02", "infinity"):
        execute(edms, f"UPDATE documents_document SET effective_date = '{value}' WHERE {_ONE}")
        pictures.append(picture(edms))
        snapshots.append(protected.backup().snapshot_id)

    for was, snapshot in zip(pictures, snapshots, strict=True):
        result = run_merge(protected.settings, snapshot=snapshot)
        assert result.done
        changed = {model.model: model.columns for model in result.plan.models if model.update or model.insert}
        assert changed == {"documents.Document": {"effective_date": 1}}
        assert differences(was, picture(edms)) == []


def execute(edms: ReferenceEdms, statement: str) -> None:
    with psycopg.connect(edms.database_url) as connection:
        assert connection.execute(statement).rowcount >= 1
