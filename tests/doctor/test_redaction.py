"""Secrets are counted and never shown, wherever the diagnosis goes; nor is what the settings call sensitive."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from edms_tasks.settings import settings_from
from flows.cli.printing.diagnosis import print_diagnosis
from flows.doctor import Examined, write_page
from tests.doctor.ailing_edms import SECRETS
from tests.doctor.conftest import Ailing
from tests.inventory.small_project import small_project
from tests.running import run_doctor


def _printed(examined: Examined) -> str:
    stream = io.StringIO()
    print_diagnosis(Console(file=stream, width=1000, highlight=False, markup=False), examined, None)
    return stream.getvalue()


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_shown_anywhere(ailing: Ailing, secret: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(ailing.examined, page)

    assert secret in (ailing.folder / "db.sqlite3").read_bytes().decode("utf-8", "replace")
    assert secret not in json.dumps(ailing.examined.as_json(), ensure_ascii=False, default=str)
    assert secret not in page.read_text(encoding="utf-8")
    assert secret not in _printed(ailing.examined)


@pytest.mark.parametrize(("sensitive", "shown"), [((), True), (("small.Person.name",), False)])
def test_sensitive_columns_are_in_no_example(sensitive: tuple[str, ...], shown: bool, tmp_path: Path) -> None:
    settings = small_project(
        tmp_path / "project",
        """
class PersonManager(models.Manager):
    def get_by_natural_key(self, name): return self.filter(name__iexact=name).first()
class Person(models.Model):
    name = models.CharField(max_length=20, unique=True)
    objects = PersonManager()
    def natural_key(self): return (self.name,)
class Vote(models.Model):
    person = models.ForeignKey(Person, models.CASCADE)
    def natural_key(self): return self.person.natural_key()
""",
        "for n in ('Xaver', 'XAVER'): [Vote.objects.create(person=p) for p in [Person.objects.create(name=n)] * 2]",
    )
    given = {
        "edms": settings.edms.model_dump(),
        "workdir": str(tmp_path / "work"),
        "validate": {"sensitive": sensitive},
    }

    examined = run_doctor(settings_from(given, where=tmp_path / "edms-backup.toml"))

    codes = {one.code for one in examined.diagnosis.assessments}
    assert {"lookup-finds-another", "natural-key-duplicates"} <= codes
    # The key of a vote is the name of a person: it is sensitive there too.
    assert ("xaver" in json.dumps(examined.as_json(), default=str).lower()) is shown
