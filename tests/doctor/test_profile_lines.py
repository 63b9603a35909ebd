"""`doctor --profile`: each line of a profile with what it finds on the real rows, and those that are wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edms_tasks.doctor.assessment import Declaration, Declarations, SettingsFix
from edms_tasks.doctor.profile_answers import answers
from edms_tasks.doctor.profile_lines import ProfileLine, with_lines
from edms_tasks.errors import CommandError
from edms_tasks.settings import Settings, load_settings, settings_from
from flows.check_profile import CheckedProfile, check_profile
from flows.cli.app import app
from flows.running.run import Run
from tests.inventory.small_project import small_project

MODELS = """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType

class Shelf(models.Model):
    name = models.CharField(max_length=20)

class Paper(models.Model):
    number = models.CharField(max_length=20)
    shelf = models.IntegerField(null=True)
    others = models.JSONField(default=list)
    rooms = models.JSONField(default=list)
    secret = models.CharField(max_length=20, null=True)

class Note(models.Model):
    kind = models.ForeignKey(ContentType, models.CASCADE)
    number = models.PositiveIntegerField()
    about = GenericForeignKey("kind", "number")

class Log(models.Model):
    kind = models.ForeignKey(ContentType, models.CASCADE)
    number = models.IntegerField()
"""
ROWS = """
from django.contrib.contenttypes.models import ContentType
Shelf.objects.bulk_create(Shelf(id=id, name="twice") for id in (5, 6))
Paper.objects.create(id=1, number="A", shelf=5, others=[2, 3], rooms=[1, 2], secret="x")
Paper.objects.create(id=2, number="B", shelf=6, others=[1, 99])
Paper.objects.create(id=3, number="C", shelf=77)
paper = ContentType.objects.get_for_model(Paper)
Log.objects.create(kind=paper, number=1)
Log.objects.create(kind=paper, number=4)
import pathlib
pathlib.Path("media/thumbs").mkdir(parents=True)
for name in ("0000001.webp", "0000009.webp", "readme.txt"):
    pathlib.Path("media/thumbs", name).write_text(name)
"""
PROFILE = """
[profile]
title = "small papers"
[profile.detect]
models = ["small.Paper", "small.Gone"]

[natural_keys]
"small.Paper" = ["number"]
"small.Shelf" = ["name"]
"small.Nothing" = ["name"]
"small.Log" = ["no_such_field"]

[exclude]
tables = ["small.Log", "small.Gone"]
files = ["*.txt", "*.gone"]

[merge]
not_references = ["small.Paper.number", "small.Paper.gone", "media:thumbs/{pk}.txt"]

[validate]
sensitive = ["small.Paper.secret", "small.Shelf.name", "small.Paper.gone", "gone.Paper.secret"]
colour = "red"

[[soft_references]]
column = "small.Paper.shelf"
target = "small.Shelf"

[[soft_references]]
column = "small.Paper.others"
target = "small.Paper"
json = "$[*]"

[[soft_references]]
column = "small.Paper.others"
target = "small.Paper"
json = "$.nowhere"

[[soft_references]]
column = "small.Paper.rooms"
target = "small.Shelf"
json = "$[*]"

[[soft_references]]
column = "small.Paper.gone"
target = "small.Paper"

[[soft_references]]
column = "small.Paper.shelf"
target = "small.Paper"

[[soft_references]]
content_type = "small.Log.kind"
object_id = "small.Log.number"

[[soft_references]]
content_type = "small.Note.kind"
object_id = "small.Note.number"

[[soft_references]]
files = "media"
name = "thumbs/{pk:07}.webp"
target = "small.Paper"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("papers") / "project"
    return small_project(folder, MODELS, ROWS, settings='MEDIA_ROOT = BASE / "media"')


@pytest.fixture(scope="module")
def checked(project: Settings, tmp_path_factory: pytest.TempPathFactory) -> CheckedProfile:
    file = tmp_path_factory.mktemp("profile") / "papers.toml"
    file.write_text(PROFILE)
    return check_profile(Run(project), str(file))


def _lines(checked: CheckedProfile, section: str) -> list[tuple[str, str, int]]:
    return [(one.line, one.verdict, one.count) for one in checked.lines if one.section == section]


def _saying(checked: CheckedProfile, part: str) -> ProfileLine:
    return next(one for one in checked.lines if part in one.line)


def test_every_line_is_assessed_by_itself_and_none_is_lost(checked: CheckedProfile) -> None:
    assert _lines(checked, "profile.detect") == [
        ("models: small.Paper", "right", 1),
        ("models: small.Gone", "wrong", 0),
    ]
    assert _lines(checked, "natural_keys") == [
        ('small.Paper = ["number"]', "right", 3),
        ('small.Shelf = ["name"]', "wrong", 2),
        ('small.Nothing = ["name"]', "wrong", 0),
        ('small.Log = ["no_such_field"]', "wrong", 0),
    ]
    assert _lines(checked, "exclude") == [
        ("tables: small.Log", "right", 2),
        ("tables: small.Gone", "wrong", 0),
        ("files: *.txt", "right", 1),
        ("files: *.gone", "nothing", 0),
    ]
    assert _lines(checked, "merge") == [
        ("not_references: small.Paper.number", "right", 3),
        ("not_references: small.Paper.gone", "wrong", 0),
        ("not_references: media:thumbs/{pk}.txt", "right", 0),
    ]
    assert _lines(checked, "validate") == [
        ("sensitive: small.Paper.secret", "right", 1),
        ("sensitive: small.Shelf.name", "right", 2),
        ("sensitive: small.Paper.gone", "wrong", 0),
        ("sensitive: gone.Paper.secret", "wrong", 0),
        ('colour = "red"', "wrong", 0),
    ]


def test_ids_are_counted_one_by_one_and_those_of_no_row_are_told(checked: CheckedProfile) -> None:
    found = [(one.verdict, one.count, one.found) for one in checked.lines if one.section == "soft_references"]

    assert found[:4] == [
        ("right", 3, "3 ids in 3 rows; 1 leads to no row"),
        ("right", 4, "4 ids in 2 rows; 1 leads to no row"),
        ("nothing", 0, "0 ids in 0 rows"),
        # 1 and 2 are papers, not shelves.
        ("wrong", 2, "2 ids in 1 row; none leads to a row of the target"),
    ]
    assert [verdict for verdict, _, _ in found[4:]] == ["wrong", "wrong", "right", "nothing", "right"]
    assert [count for _, count, _ in found[6:]] == [2, 0, 2], "rows of the log; what a model says; names of thumbnails"
    assert found[7][2] == "the models declare this reference already"


def test_a_wrong_line_says_why_in_the_words_of_a_backup(checked: CheckedProfile) -> None:
    twice = _saying(checked, 'column = "small.Paper.shelf", target = "small.Paper"')
    assert twice.found == "The column is declared twice. A value can be read in one way only."
    assert "twice" not in _saying(checked, 'column = "small.Paper.shelf", target = "small.Shelf"').found
    assert "small.Nothing" in _saying(checked, "small.Nothing").found
    assert "colour" in _saying(checked, "colour").found
    assert "is shared by several rows" in _saying(checked, "small.Shelf =").found


def test_what_the_settings_took_from_the_profile_is_not_declared_twice(project: Settings, tmp_path: Path) -> None:
    file = tmp_path / "papers.toml"
    lines = '[[soft_references]]\ncolumn = "small.Paper.shelf"\ntarget = "small.Shelf"\n'
    file.write_text(f'[profile]\ntitle = "x"\ndetect = {{ models = ["small.Paper"] }}\n{lines}')
    used = settings_from(
        {
            "edms": project.edms.model_dump(),
            "soft_references": [{"column": "small.Paper.shelf", "target": "small.Shelf"}],
        },
        where=tmp_path / "edms-backup.toml",
    )

    checked = check_profile(Run(used), str(file))

    assert [one.verdict for one in checked.lines] == ["right", "right"]


def test_a_profile_changes_nothing_but_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text(
        '[edms]\nproject = "/srv/edms"\nenv = { A = "1" }\n[files.roots]\nmedia = "m"\n[natural_keys]\n"a.B" = ["x"]\n'
    )
    monkeypatch.setenv("EDMS_BACKUP__EDMS__ENV__B", "2")
    values = {"validate": {"sensitive": ["a.B.c"]}, "files": {"roots": {"scans": "/scans"}}}

    settings = with_lines(load_settings(config), settings_from(values, where=tmp_path / "profile.toml"), values)

    assert {name: secret.get_secret_value() for name, secret in settings.edms.env.items()} == {"A": "1", "B": "2"}
    assert settings.files.roots == {"media": tmp_path / "m", "scans": Path("/scans")}
    assert settings.validate_.sensitive == ("a.B.c",)
    assert settings.natural_keys == {}


def test_the_command_ends_with_1_for_a_wrong_line_and_changes_nothing(project: Settings, tmp_path: Path) -> None:
    config, right, wrong = (tmp_path / name for name in ("edms-backup.toml", "right.toml", "wrong.toml"))
    edms = project.edms
    config.write_text(f'[edms]\nproject = "{edms.project}"\nsettings = "{edms.settings}"\npython = "{edms.python}"\n')
    head = '[profile]\ntitle = "x"\ndetect = { models = ["small.Paper"] }\n'
    right.write_text(f'{head}[natural_keys]\n"small.Paper" = ["number"]\n')
    wrong.write_text(f'{head}[natural_keys]\n"small.Paper" = ["shelf"]\n"small.Shelf" = ["name"]\n')
    before = _dump(project)

    done = {
        path.stem: CliRunner().invoke(app, ["doctor", "-c", str(config), "--profile", str(path), "--json"])
        for path in (right, wrong)
    }
    printed = CliRunner().invoke(app, ["doctor", "-c", str(config), "--profile", str(wrong)])

    assert (done["right"].exit_code, done["wrong"].exit_code, printed.exit_code) == (0, 1, 1)
    assert json.loads(done["right"].stdout)["counts"] == {"right": 2, "nothing": 0, "wrong": 0}
    assert not json.loads(done["wrong"].stdout)["fits"]
    assert '✗ small.Shelf = ["name"]' in printed.stdout
    assert _dump(project) == before


def _dump(project: Settings) -> list[str]:
    with closing(sqlite3.connect(Path(str(project.edms.project)) / "db.sqlite3")) as connection:
        return list(connection.iterdump())


def test_a_profile_that_is_nowhere_is_named_with_the_nearest(project: Settings) -> None:
    with pytest.raises(CommandError, match="paperless-nxg"):
        check_profile(Run(project), "paperless-nxg")


def test_a_profile_answers_what_it_says_something_about() -> None:
    profile = {
        "natural_keys": {"a.B": ["x"]},
        "exclude": {"tables": ["a.C"]},
        "soft_references": [{"column": "a.B.c_id", "target": "a.B", "json": "$[*]"}],
    }

    def declaration(column: str, json_path: str) -> Declaration:
        entries = (("column", column), ("target", "a.B"), ("json", json_path))
        return Declaration(section="soft_references", entries=entries)

    assert answers(profile, SettingsFix(section="natural_keys", key="a.B", value=("y",)))
    assert not answers(profile, SettingsFix(section="natural_keys", key="a.C", value=("y",)))
    assert answers(profile, SettingsFix(section="exclude", key="tables", value=("a.C",)))
    assert not answers(profile, SettingsFix(section="exclude", key="tables", value=("a.C", "a.D")))
    assert answers(profile, declaration("a.B.c_id", "$[*]"))
    assert answers(profile, declaration("a.B.c", "$[*]")), "a foreign key's column goes by two names"
    assert not answers(profile, declaration("a.B.c_id", "$.x"))
    assert not answers(profile, None)
    assert not answers({}, declaration("a.B.c_id", "$[*]"))


def test_a_profile_answers_what_is_suggested_kind_by_kind_if_it_says_all_kinds() -> None:
    def of_kinds(*kinds: tuple[str, str]) -> Declarations:
        return Declarations(
            each=tuple(
                Declaration(
                    section="soft_references",
                    entries=(("column", "a.Rule.value"), ("target", target)),
                    where=(("kind", kind),),
                )
                for kind, target in kinds
            )
        )

    profile = {
        "soft_references": [
            {"column": "a.Rule.value", "target": "a.Tag", "where": {"kind": [3, 26]}},
            {"column": "a.Rule.value", "target": "a.User", "where": {"kind": "u"}},
        ]
    }

    assert answers(profile, of_kinds(("3", "a.Tag"), ("u", "a.User")))
    assert answers(profile, of_kinds(("26", "a.Tag")))
    assert not answers(profile, of_kinds(("3", "a.Tag"), ("4", "a.Tag"))), "nothing is said of rows of kind 4"
    assert not answers(profile, of_kinds(("3", "a.User"))), "another model"
    assert not answers({"soft_references": [{"column": "a.Rule.value", "target": "a.Tag"}]}, of_kinds(("3", "a.Tag")))
