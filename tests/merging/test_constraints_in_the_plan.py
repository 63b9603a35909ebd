"""What the database would refuse, or take as a second row of settings, is a conflict of the plan."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from flows.merge import MergeResult
from tests.inventory.small_project import small_system
from tests.running import run_backup, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Card(models.Model):
    code = models.CharField(max_length=20, unique=True)
    holder = models.CharField(max_length=20)
    state = models.CharField(max_length=20)
    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder"], condition=models.Q(state="active"), name="one_active_card")]
class SiteConfiguration(models.Model):
    title = models.CharField(max_length=20)
"""
ROWS = "Card.objects.create(code='mine', holder='ann', state='active'); SiteConfiguration.objects.create(title='mine')"

Merge = Callable[..., MergeResult]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Merge]:
    folder = tmp_path_factory.mktemp("constraints")
    settings = small_system(folder, MODELS, ROWS)
    snapshot = run_backup(settings).snapshot_id

    def merge(**options: object) -> MergeResult:
        return run_merge(settings, snapshot=snapshot, dry_run=True, **options)  # type: ignore[arg-type]

    return folder / "project" / "db.sqlite3", merge


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as lite:
        for statement in statements:
            lite.execute(statement)
        lite.commit()


def test_a_partial_unique_index_makes_a_conflict_only_for_rows_that_it_covers(
    database: tuple[Path, Merge],
) -> None:
    path, merge = database
    change(path, "UPDATE small_card SET code = 'theirs'")
    refused = merge()
    change(path, "UPDATE small_card SET state = 'lost'")
    welcome = merge()

    assert [(one.code, one.model) for one in refused.plan.conflicts] == [("unique", "small.Card")]
    assert "one_active_card" in refused.plan.conflicts[0].message
    assert welcome.plan.conflicts == ()


@pytest.mark.long
def test_a_second_row_of_a_singleton_is_a_conflict_until_a_key_matches_them(database: tuple[Path, Merge]) -> None:
    path, merge = database
    change(path, "UPDATE small_siteconfiguration SET title = 'theirs'")

    refused, same = merge(), merge(keys={"small.SiteConfiguration": ("id",)})

    assert [(one.code, one.model) for one in refused.plan.conflicts] == [("singleton", "small.SiteConfiguration")]
    assert "--key small.SiteConfiguration=id" in refused.plan.conflicts[0].fix
    assert same.plan.conflicts == ()
    assert {model.model: model.update for model in same.plan.models if model.update} == {"small.SiteConfiguration": 1}
    assert any("the declared key is the primary key" in note for note in same.notes)


@pytest.mark.parametrize(
    "condition",
    [
        "is_default",
        "(NOT deleted)",
        "((state)::text = 'active'::text)",
        "((state)::text = ANY (ARRAY['a'::text, 'active'::text]))",
    ],
)
def test_duckdb_computes_conditions_as_postgresql_writes_them(condition: str) -> None:
    rows = "(SELECT true AS is_default, false AS deleted, 'active' AS state)"

    assert duckdb.execute(f"SELECT count(*) FROM {rows} WHERE {condition}").fetchall() == [(1,)]
