"""`[validate] sensitive` hides a column however it is written, wherever values are shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.conversion.compatibility import assess_table
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.digests.row_differences import explain
from edms_tasks.findings import make_finding
from edms_tasks.fixtures.not_held import value_findings
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, NaturalKey, Table, UniqueKey
from edms_tasks.manifest import Block, Manifest, ReferenceState, TableEntry, TableState
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.planning import MergePlan, ModelPlan
from edms_tasks.owners_suites import OwnersSuite
from edms_tasks.redaction import Redaction
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import open_workspace
from edms_tasks.shown_manifest import shown_manifest, with_shown_findings

SPELLINGS = [
    "users.User.owner",
    "users.User.owner_id",
    "users_user.owner_id",
    "users_user.owner",
    "USERS.user.Owner",
    "Users_User.OWNER_ID",
    "users.Staff.owner",  # a proxy has the same rows
]


def _column(name: str, field: str | None = None, native_type: str = "text") -> Column:
    kind: Any = "integer" if native_type == "integer" else "text"
    return Column(name=name, native_type=native_type, logical_type=kind, nullable=True, field=field or name)


USERS = Table(
    id="users_user",
    schema_name=None,
    name="users_user",
    model="users.User",
    content_type=("users", "user"),
    proxy_content_types=(("users", "staff"),),
    columns=(_column("id", native_type="integer"), _column("owner_id", "owner"), _column("name")),
    primary_key=("id",),
    unique_keys=(UniqueKey(name="of_owner", columns=("owner_id",)),),
)
PAPERS = Table(
    id="papers",
    schema_name=None,
    name="papers",
    model="papers.Paper",
    columns=(
        _column("id", native_type="integer"),
        _column("user_id", "user", "integer"),
        _column("about_type", native_type="integer"),
        _column("about_id"),
    ),
    primary_key=("id",),
    references=(
        ForeignReference(kind="foreign", name="user_id", columns=("user_id",), target="users_user", target_columns=("id",)),
        GenericReference(name="about", content_type_column="about_type", object_id_column="about_id"),
    ),
)  # fmt: skip
BY_OWNER = NaturalKey(source="unique", paths=(("owner_id",),))
BY_NAME = NaturalKey(source="unique", paths=(("name",),))
BY_USER = NaturalKey(source="unique", paths=(("user_id",),))


def _redaction(*sensitive: str, users: NaturalKey = BY_NAME, papers: NaturalKey = BY_USER) -> Redaction:
    return Redaction(sensitive, {"users_user": USERS, "papers": PAPERS}, {"users_user": users, "papers": papers})


def _entry(key: NaturalKey = BY_NAME, table: Table = USERS) -> TableEntry:
    encodings = dict.fromkeys((column.name for column in table.columns), "native")
    return TableEntry(table=table, natural_key=key, encodings=encodings, state=TableState(rows=1), chunks=())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_column_is_hidden_however_it_is_written(spelling: str) -> None:
    redaction = _redaction(spelling)

    assert [column.name for column in USERS.columns if redaction.hides(USERS, column.name)] == ["owner_id"]
    assert [*redaction.unknown()] == []


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("users.User.onwer", "Did you mean `users.User.owner`?"),
        ("user.User.owner", "Did you mean `users.User.owner`?"),
        ("users.User", "Did you mean `users.User.id`?"),
        ("zzz", "`edms-backup inspect` lists them."),
    ],
)
def test_a_name_that_hides_nothing_is_told_with_the_closest_one(name: str, fix: str) -> None:
    assert [*_redaction("users_user.name", name).unknown()] == [(name, fix)]


def test_a_key_is_hidden_with_the_values_in_it_in_other_tables_too() -> None:
    of_owner = _redaction("users.User.owner", users=BY_OWNER)

    assert (of_owner.hides_key("users_user"), of_owner.hides_key("papers")) == (True, True)
    assert not _redaction("users.User.owner").hides_key("papers")


def test_an_id_in_a_key_does_not_name_what_it_refers_to() -> None:
    surrogate = NaturalKey(source="surrogate", paths=(("user_id",),))

    assert not _redaction("users.User.owner", users=BY_OWNER, papers=surrogate).hides_key("papers")


def test_a_generic_reference_in_a_key_may_name_any_row() -> None:
    about = NaturalKey(source="settings", paths=(("about_type",), ("about_id",)), by_meaning=True)

    assert _redaction("users.User.owner", users=BY_OWNER, papers=about).hides_key("papers")
    assert not _redaction("users.User.owner", papers=about).hides_key("papers")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_rows_that_differ_are_named_without_the_value(spelling: str, tmp_path: Path) -> None:
    redaction = Redaction.of_entries([spelling], [_entry(BY_OWNER)])

    found = _differences(tmp_path, redaction, BY_OWNER)

    assert len(found) == 3
    assert "changed: owner_id of the row with id = 1: values not shown" in found
    assert "SECRET" not in str(found)


def test_rows_that_differ_are_named_without_a_primary_key_that_is_hidden(tmp_path: Path) -> None:
    found = _differences(tmp_path, Redaction.of_entries(["users.User.pk", "users.User.id"], [_entry()]), BY_NAME)

    assert {line.partition(":")[0] for line in found} == {"missing", "unexpected", "changed"}
    assert all("with id = (not shown)" in line for line in found)


def _differences(folder: Path, redaction: Redaction, key: NaturalKey) -> tuple[str, ...]:
    was, now = folder / "was.parquet", folder / "now.parquet"
    keyed = ['["SECRET-1"]', '["SECRET-2"]'] if key is BY_OWNER else ['["Ada"]', '["Bo"]']
    before = {"id": [1, 2], "owner_id": ["SECRET-1", "SECRET-2"], "name": ["Ada", "Bo"], "@key": keyed}
    pq.write_table(pa.table(before), was)
    pq.write_table(pa.table({"id": [1, 3], "owner_id": ["SECRET-9", "SECRET-2"], "name": ["Ada", "Bo"]}), now)
    raw = RawTable("users_user", 2, _entry().encodings, (now,))
    with open_workspace(folder / "workspace", memory_limit_mb=100, threads=1) as workspace:
        return explain(_entry(key), [was], raw, workspace, redaction=redaction)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_move_to_the_other_engine_names_rows_without_the_value(spelling: str, tmp_path: Path) -> None:
    there = USERS.model_copy(
        update={
            "schema_name": "public",
            "columns": (_column("id", native_type="integer"), _column("owner_id", "owner", "character varying(3)"), _column("name")),
        }
    )  # fmt: skip
    rows = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": [1], "owner_id": ["SECRET"], "name": ["Ada"], "@key": ['["SECRET"]']}), rows)
    redaction = Redaction.of_entries([spelling], [_entry(BY_OWNER)])

    with duckdb.connect() as cursor:
        (found,) = assess_table(cursor, TablePair(_entry(BY_OWNER), there), [rows], redaction).incompatible

    assert "SECRET" not in str(found)
    assert [str(row) for row in found.listed] == ["users.User id = 1, owner_id is longer than 3 characters"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_merge_shows_no_value_in_examples_and_conflicts(spelling: str) -> None:
    conflicts = [_conflict(about) for about in ("users.User", "users.User.owner", "papers.Paper")]
    plan = MergePlan(
        snapshot_id="3f" * 32, target="x", models=(_model(USERS), _model(PAPERS)), files=(), conflicts=tuple(conflicts)
    )

    shown = plan.without_values(_redaction(spelling, users=BY_OWNER))

    assert "SECRET" not in shown.model_dump_json()
    assert [conflict.model for conflict in shown.conflicts] == [conflict.model for conflict in conflicts]


def test_a_merge_shows_examples_of_other_models() -> None:
    plan = MergePlan(
        snapshot_id="3f" * 32, target="x", models=(_model(PAPERS),), files=(), conflicts=(_conflict("users.User.name"),)
    )

    assert plan.without_values(_redaction("users.User.owner")) == plan  # fmt: skip


def _conflict(about: str) -> Conflict:
    return make_conflict("unique", about, "They share it.", count=1, examples=("SECRET",))


def _model(table: Table) -> ModelPlan:
    numbers = dict.fromkeys(ModelPlan.model_fields, 0)
    return ModelPlan.model_validate(
        numbers
        | {"table_id": table.id, "model": table.label, "columns": {}, "inserts": ("SECRET",), "updates": ("SECRET",)}
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_suites_of_the_owner_on_such_a_table_are_kept_back(spelling: str) -> None:
    redaction = _redaction(spelling)

    assert not OwnersSuite("a.json", "a", (), USERS, "").may_show(redaction)
    assert not OwnersSuite("a.json", "a", (), None, "SELECT 1").may_show(redaction)
    assert OwnersSuite("a.json", "a", (), PAPERS, "").may_show(redaction)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_findings_of_a_backup_have_no_example_of_the_column(spelling: str) -> None:
    subjects = ("users.User.owner", "users.User.owner_id", "users.User.owner path.0", "users.User", "users.User.name")
    findings = [make_finding("dangling-reference", one, severity="warning", examples=("SECRET",)) for one in subjects]

    shown = [*_redaction(spelling).without_values(findings)]

    assert [one.examples for one in shown] == [(), (), (), (), ("SECRET",)]


def test_an_earlier_snapshot_is_shown_without_what_is_sensitive_now() -> None:
    digest = "0" * 64
    users = _entry().model_copy(
        update={
            "state": TableState(rows=1, references=(_dangling("owner_id"), _dangling("name"))),
            "blocks": (Block(rows=1, first=("SECRET",), columns={"id": digest}),),
            "ordered_by": ("owner_id",),
        }
    )
    papers = _entry(BY_USER, PAPERS).model_copy(update={"blocks": users.blocks, "ordered_by": ("id",)})
    finding = make_finding("dangling-reference", "users.User.owner", severity="warning", examples=("SECRET",))
    manifest = Manifest.model_construct(tables=(users, papers), findings=(finding,))

    shown = shown_manifest(manifest, ["users_user.OWNER"])

    assert shown.findings[0].examples == ()
    assert [one.dangling_examples for one in shown.tables[0].state.references] == [(), ("SECRET",)]
    assert [entry.blocks and entry.blocks[0].first for entry in shown.tables] == [(), ("SECRET",)]
    assert with_shown_findings(manifest, ["users_user.OWNER"]).tables == manifest.tables
    assert shown_manifest(manifest, []) is manifest


def _dangling(name: str) -> ReferenceState:
    return ReferenceState(name=name, filled=1, dangling=1, dangling_examples=("SECRET",))


@pytest.mark.parametrize(("sensitive", "examples"), [("users.User.name", ("primary key 7",)), ("USERS_user.id", ())])
def test_a_value_that_a_fixture_does_not_hold_is_named_by_a_primary_key_that_may_be_shown(
    sensitive: str, examples: tuple[str, ...]
) -> None:
    doubtful = SimpleNamespace(reason="is NaN", code="fixture-value-lost", rows=1, field="owner", example="7")
    written: Any = SimpleNamespace(doubtful=[doubtful], left_out=[])
    model: Any = SimpleNamespace(table=USERS)

    (found,) = value_findings([(model, written)], _redaction(sensitive))

    assert found.examples == examples
