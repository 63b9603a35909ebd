"""Rows without a natural key in two systems that gave the same ids to different rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.inventory.small_project import small_project
from tests.running import run_backup, run_merge

MODELS = """
class View(models.Model):
    name = models.CharField(max_length=20, unique=True)

class Rule(models.Model):
    view = models.ForeignKey(View, models.CASCADE)
    kind = models.IntegerField()
"""
ROWS = """
one = View.objects.create(name="ours")
Rule.objects.create(view=one, kind=5)
Rule.objects.create(view=one, kind=7)
"""
# Another system to the last id: its rule 1 equals ours in every column, and belongs to another view.
ANOTHER = """
UPDATE small_view SET name = 'theirs';
UPDATE small_rule SET kind = 8 WHERE id = 2;
"""


@pytest.mark.long
@pytest.mark.usefixtures("edms_asked_once")
def test_equal_rows_that_refer_to_different_rows_are_not_paired(tmp_path: Path) -> None:
    settings = small_project(tmp_path, MODELS, ROWS)
    run_backup(settings, create_repository=True)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as connection:
        connection.executescript(ANOTHER)

    first, second = (run_merge(settings, snapshot="latest") for _ in range(2))

    assert first.success and second.success
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as connection:
        found = connection.execute("SELECT v.name, r.kind FROM small_rule r JOIN small_view v ON v.id = r.view_id")
        assert sorted(found) == [("ours", 5), ("ours", 7), ("theirs", 5), ("theirs", 8)]
    assert sum(model.insert + model.update for model in second.plan.models) == 0
