"""What the models say and what the database holds are merged; where they disagree, that is a finding."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.build_inventory import build_inventory, excluded_tables
from edms_tasks.inventory.model import Inventory
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings, settings_from
from tests.inventory.small_project import small_project

MODELS = """
class Kind(models.Model):
    code = models.CharField(max_length=9, primary_key=True)
class Paper(models.Model):
    number = models.CharField(max_length=9, unique=True)
    kind = models.ForeignKey(Kind, models.CASCADE, db_constraint=False)
    active = models.BooleanField(default=True)
    owner = models.CharField(max_length=9, null=True, unique=True)
    file = models.FileField(upload_to="x")
    related = models.ManyToManyField("self")
class Nested(models.Model):
    parent = models.ForeignKey("self", models.CASCADE)
    name = models.CharField(max_length=9)
    class Meta: constraints = [models.UniqueConstraint(fields=["parent", "name"], name="nested_key")]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return small_project(tmp_path / "project", MODELS, settings="MEDIA_ROOT = BASE / 'media'")


def _inventory(settings: Settings) -> Inventory:
    report = run_probe(settings)
    scratch = Path(report.databases[0].name).parent
    with open_database(DatabaseAddress.from_probe(report.databases[0])).view(scratch, 1) as view:
        return build_inventory(report, view.tables(), settings, "sqlite")


def _change(settings: Settings, statement: str) -> None:
    with closing(sqlite3.connect(str(settings.edms.project) + "/db.sqlite3")) as connection, connection:
        connection.execute(statement)


def _with(settings: Settings, **sections: object) -> Settings:
    assert settings.edms.project is not None
    edms = {"project": str(settings.edms.project), "settings": "small_settings", "python": str(settings.edms.python)}
    return settings_from({"edms": edms, **sections}, where=settings.edms.project / "x.toml")


def test_the_models_give_meaning_to_the_tables(settings: Settings) -> None:
    inventory = _inventory(settings)

    paper = inventory.table("small_paper")
    assert paper.label == "small.Paper"
    assert paper.column("active").logical_type == "boolean"
    assert paper.file_columns == (("file", "media"),)
    reference = paper.references[0]
    assert (reference.kind, reference.name) == ("foreign", "kind_id")
    assert reference.kind != "generic" and not reference.enforced and reference.target == "small_kind"
    links = inventory.table("small_paper_related")
    assert {link.kind for link in links.references} == {"many_to_many"}
    assert [root.name for root in inventory.file_roots] == ["media"]


def test_keys_are_taken_in_order_and_the_surrogate_comes_last(settings: Settings) -> None:
    inventory = _inventory(settings)

    def sources(table: str) -> list[str]:
        return [key.source for key in inventory.table(table).key_candidates]

    # A nullable unique column is no key of all rows; a primary key people chose is one.
    assert [(k.source, k.paths) for k in inventory.table("small_paper").key_candidates] == [
        ("unique", (("number",),)),
        ("surrogate", (("id",),)),
    ]
    assert sources("small_kind")[0] == "unique"
    assert sources("small_nested") == ["surrogate"]
    assert any(f.code == "natural-key-cycle" and f.subject == "small.Nested" for f in inventory.findings)


def test_declared_keys_follow_references_by_field_name(settings: Settings) -> None:
    inventory = _inventory(_with(settings, natural_keys={"small.Paper": ["kind.code", "number"]}))

    key = inventory.table("small_paper").key_candidates[0]
    assert (key.source, key.paths) == ("settings", (("kind_id", "code"), ("number",)))


@pytest.mark.parametrize(
    ("keys", "suggestion"),
    [({"small.Papr": ["number"]}, "small.Paper"), ({"small.Paper": ["nummer"]}, "number")],
)
def test_a_declared_key_that_does_not_exist_is_an_error(
    keys: dict[str, list[str]], suggestion: str, settings: Settings
) -> None:
    with pytest.raises(SettingsError, match=suggestion):
        _inventory(_with(settings, natural_keys=keys))


@pytest.mark.parametrize(
    ("statement", "code", "subject"),
    [
        ("DROP TABLE small_nested", "model-without-table", "small.Nested"),
        ("ALTER TABLE small_nested ADD COLUMN extra text", "column-without-field", "small_nested.extra"),
        ("CREATE TABLE stranger (id integer PRIMARY KEY)", "table-without-model", "stranger"),
        ("ALTER TABLE small_paper DROP COLUMN active", "column-missing", "small.Paper.active"),
    ],
)
def test_drift_between_models_and_database_is_a_finding(
    statement: str, code: str, subject: str, settings: Settings
) -> None:
    _change(settings, statement)

    inventory = _inventory(settings)

    assert (code, subject) in {(finding.code, finding.subject) for finding in inventory.findings}


def test_a_sensitive_column_that_does_not_exist_is_a_finding(settings: Settings) -> None:
    names = ["small.Paper.ownr", "small_paper.owner", "Small.paper.KIND"]
    inventory = _inventory(_with(settings, validate={"sensitive": names}))

    found = [(one.subject, one.fix) for one in inventory.findings if one.code == "sensitive-column-unknown"]
    assert found == [("small.Paper.ownr", "Did you mean `small.Paper.owner`?")]


def test_tables_are_left_out_by_model_or_table_name(settings: Settings) -> None:
    chosen = _with(settings, exclude={"tables": ["small.nested", "small_kind"]})
    inventory = _inventory(chosen)

    assert excluded_tables(inventory, chosen) == {"small_nested", "small_kind"}
    with pytest.raises(SettingsError, match=r"small\.Nested"):
        excluded_tables(inventory, _with(settings, exclude={"tables": ["small.Nestd"]}))
