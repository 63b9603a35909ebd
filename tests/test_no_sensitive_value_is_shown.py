"""A whole journey with personal values everywhere: none of them is in what any verb returns, nor in what it leaves behind."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.settings import Settings, settings_from
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_diff, run_doctor, run_merge, run_restore, run_restore_plan, run_verify

SECRET = "SEKRET"
# Each is written in another way.
SENSITIVE = ("SMALL_person.mail", "small.person.NICK", "small.Person.photo", "small_account.Code")
MODELS = """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
class Person(models.Model):
    email = models.CharField(max_length=40, unique=True, db_column="mail")
    nick = models.CharField(max_length=40, null=True, unique=True)
    photo = models.FileField(upload_to="photos", null=True)
class Account(models.Model):
    code = models.CharField(max_length=40, primary_key=True)
    label = models.CharField(max_length=40)
class Note(models.Model):
    title = models.CharField(max_length=40, unique=True)
    person = models.ForeignKey(Person, models.CASCADE, null=True, db_constraint=False)
    by = models.ForeignKey(Person, models.CASCADE, to_field="email", related_name="+", null=True, db_constraint=False)
    accounts = models.TextField(default="")
    kind = models.ForeignKey(ContentType, models.CASCADE, null=True)
    obj = models.CharField(max_length=40, null=True)
    about = GenericForeignKey("kind", "obj")
class Vote(models.Model):
    person = models.OneToOneField(Person, models.CASCADE, db_constraint=False)
"""
ROWS = """
people = [Person.objects.create(email=f'SEKRET-{i}@x', nick=f'SEKRETNICK{i}', photo=f'photos/SEKRET{i}.jpg') for i in range(5)]
for i in range(4): Account.objects.create(code=f'SEKRETCODE{i}', label='a')
kind = ContentType.objects.get_for_model(Account)
for i, person in enumerate(people):
    by = f'SEKRET-{i}@x' if i < 3 else 'SEKRET-gone@x'
    Note.objects.create(title=f'N{i}', person=person, by_id=by, accounts='SEKRETCODE1,SEKRETCODE9', kind=kind, obj=f'SEKRETCODE{i}')
    Vote.objects.create(person=person)
"""
DAMAGE = """
UPDATE small_person SET mail = 'SEKRET-x', nick = 'SEKRETX' WHERE id = 1;
DELETE FROM small_person WHERE id = 2;
DELETE FROM small_account WHERE code = 'SEKRETCODE2';
INSERT INTO small_account VALUES ('SEKRETNEW', 'b');
UPDATE small_account SET label = 'c' WHERE code = 'SEKRETCODE1';
"""
LATER = """
UPDATE small_person SET nick = 'SEKRETNICK0b' WHERE id = 1;
UPDATE small_person SET nick = NULL WHERE id = 2;
INSERT INTO small_person VALUES (50, 'SEKRET-other@x', 'SEKRETNICK1', '');
UPDATE small_person SET mail = 'SEKRET-swapped@x' WHERE id = 4;
DELETE FROM small_account WHERE code = 'SEKRETCODE3';
DELETE FROM small_vote WHERE id = 3;
"""


@pytest.mark.long
@pytest.mark.parametrize(("sensitive", "shown"), [((), True), (SENSITIVE, False)], ids=["nothing hidden", "hidden"])
def test_no_verb_shows_a_sensitive_value(sensitive: tuple[str, ...], shown: bool, tmp_path: Path) -> None:
    settings = _settings(tmp_path, sensitive)
    database = tmp_path / "project" / "db.sqlite3"

    def damage(staging: StagingDatabase, *folders: object) -> None:
        _change(Path(staging.address.name), DAMAGE)

    said: dict[str, Callable[[], Any]] = {
        "backup": lambda: run_backup(settings, create_repository=True),
        "doctor": lambda: run_doctor(settings),
        "verify": lambda: run_verify(settings),
        "restore": lambda: run_restore(
            settings, None, damage, into=str(tmp_path / "copy.sqlite3"), into_files=tmp_path / "files"
        ),
    }
    later: dict[str, Callable[[], Any]] = {
        "diff": lambda: run_diff(settings),
        "restore plan": lambda: run_restore_plan(settings),
        "merge plan": lambda: run_merge(settings, dry_run=True, on_conflict="fail"),
        "merge": lambda: run_merge(settings),
    }

    found = {verb: SECRET in _text_of(run()) for verb, run in said.items()}
    _change(database, LATER)
    found |= {verb: SECRET in _text_of(run()) for verb, run in later.items()}

    assert found == {verb: shown and verb != "verify" for verb in found}
    left = [path for path in (tmp_path / "work").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert bool(left) is shown


def _settings(folder: Path, sensitive: tuple[str, ...]) -> Settings:
    project = small_project(folder / "project", MODELS, ROWS, settings="MEDIA_ROOT = BASE / 'media'")
    (folder / "project" / "media").mkdir()
    return settings_from(
        {
            "edms": project.edms.model_dump(),
            "workdir": str(folder / "work"),
            "repository": {"url": str(folder / "repository")},
            "validate": {"sensitive": sensitive},
            "soft_references": [{"column": "small.Note.accounts", "target": "small.Account", "separator": ","}],
        },
        where=folder / "edms-backup.toml",
    )


def _change(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def _text_of(result: Any) -> str:
    return json.dumps(result.as_json(), default=str, ensure_ascii=False)
