"""Primary keys that are ids of another model's rows without a foreign key: found, and followed once they are declared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from edms_tasks.doctor.assessment import Declaration
from edms_tasks.settings import settings_from
from flows.doctor import Examined
from flows.merge import MergeResult
from tests.inventory.small_project import run_python, small_project
from tests.put_back import KeptFolder
from tests.running import run_backup, run_doctor, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Summary(models.Model):
    document_ref = FIELD
    text = models.CharField(max_length=40)
class Remark(models.Model):
    name = models.CharField(max_length=20, unique=True)
    summary = models.ForeignKey(Summary, models.CASCADE)
"""
FORMS: dict[str, tuple[str, str, dict[str, str]]] = {
    "a number": ("models.IntegerField(primary_key=True)", "{}", {}),
    "a number in a text": ("models.CharField(max_length=20, primary_key=True)", "{}", {}),
    "a word and a number": (
        "models.CharField(max_length=20, primary_key=True)",
        "document:{}",
        {"pattern": "document:%d"},
    ),
}
# The others are for `make test-long`.
SOME_FORMS = [pytest.param(form, marks=[] if form == "a word and a number" else [pytest.mark.long]) for form in FORMS]
# In both systems the ids 3 to 6 are taken; B5 of the one is the document with the id 4 of the other.
ROWS = """
for one in (Remark, Summary, Document): one.objects.all().delete()
for pk, number in DOCUMENTS.items():
    Document.objects.create(pk=pk, number=number)
    if number in SUMMARIES:
        summary = Summary.objects.create(document_ref=SPELLED.format(pk), text=f"{who} of {number}")
        Remark.objects.create(name=f"{who} on {number}", summary=summary)
"""
SAID = """
import re
print(sorted([(Document.objects.get(pk=int(re.search("[0-9]+", str(one.pk))[0])).number, one.text) for one in Summary.objects.all()]))
print(sorted([(one.name, one.summary.text) for one in Remark.objects.all()]))
"""


class Archive:
    """A snapshot of a system, in another one with ids of its own."""

    def __init__(
        self, folder: Path, form: str, summaries: set[str], postgres: str = "", *, at_once: bool = False
    ) -> None:
        self.folder, (kind, self.spelled, self._also) = folder, FORMS[form]
        more = ""
        if postgres:
            login = conninfo_to_dict(postgres)
            database = {"ENGINE": "django.db.backends.postgresql", "NAME": login["dbname"]}
            database |= {name.upper(): login[name] for name in ("user", "password", "host", "port")}
            more = f'DATABASES["default"] = {database!r}\n'
        models = MODELS.replace("FIELD", kind)
        rows = self._rows("A", {3: "A3", 4: "A4", 5: "B5"}, {"A3", "A4", "B5"})
        self._edms = small_project(folder / "edms", models, rows, settings=more).edms.model_dump()
        declared = (self.declared,) if at_once else ()
        self.snapshot = run_backup(self._settings(*declared), create_repository=True).snapshot_id
        run_python(folder / "edms", self._rows("B", {3: "B3", 4: "B5", 5: "B4", 6: "B6"}, summaries))

    def _rows(self, who: str, documents: dict[int, str], summaries: set[str]) -> str:
        return f"who, DOCUMENTS, SUMMARIES, SPELLED = {(who, documents, summaries, self.spelled)!r}{ROWS}"

    def _settings(self, *declared: dict[str, str]) -> Any:
        return settings_from(
            {
                "edms": self._edms,
                "repository": {"url": str(self.folder / "repository")},
                "workdir": str(self.folder / "work"),
                "validate": {"django_check": False},
                "soft_references": [*declared],
            },
            where=self.folder / "edms-backup.toml",
        )

    @property
    def declared(self) -> dict[str, str]:
        """What the settings have to say of the primary key."""
        return {"column": "small.Summary.document_ref", "target": "small.Document"} | self._also

    def examined(self) -> Examined:
        return run_doctor(self._settings())

    def merge(self, *, declared: bool, **options: Any) -> MergeResult:
        its = (self.declared,) if declared else ()
        return run_merge(self._settings(*its), snapshot=self.snapshot, on_conflict="keep", **options)

    def said(self) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """Document and summary, and remark and summary, as the EDMS has them."""
        *_, summaries, remarks = run_python(self.folder / "edms", SAID).splitlines()
        return set(eval(summaries)), set(eval(remarks))


Archives = Callable[[str, set[str]], Archive]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """One of each form and with these summaries in the other system, as it was made each time it is asked for."""
    made: dict[tuple[str, frozenset[str]], tuple[Archive, KeptFolder]] = {}

    def get(form: str, summaries: set[str]) -> Archive:
        key = (form, frozenset(summaries))
        if key in made:
            made[key][1].put_back()
        else:
            folder = tmp_path_factory.mktemp("archive") / "systems"
            made[key] = Archive(folder, form, summaries), KeptFolder(folder)
        return made[key][0]

    return get


@pytest.mark.long
@pytest.mark.parametrize("form", SOME_FORMS)
def test_an_undeclared_id_that_is_a_primary_key_is_a_conflict(form: str, archives: Archives) -> None:
    archive = archives(form, set())

    result = archive.merge(declared=False)

    assert not result.done
    assert [(one.code, one.model) for one in result.plan.conflicts] == [
        ("undeclared-reference", "small.Summary.document_ref")
    ]
    assert "small.Document" in result.plan.conflicts[0].message


@pytest.mark.parametrize("form", SOME_FORMS)
def test_the_doctor_suggests_the_declaration(form: str, archives: Archives) -> None:
    archive = archives(form, {"B3", "B4", "B5", "B6"})

    (found,) = [one for one in archive.examined().suggestions if one.name == "small.Summary.document_ref"]

    assert isinstance(found.settings_fix, Declaration)
    assert found.settings_fix.as_toml == archive.declared


@pytest.mark.long
@pytest.mark.parametrize(
    "summaries",
    [
        pytest.param(set(), id="none there", marks=pytest.mark.long),
        pytest.param({"B3", "B4", "B5", "B6"}, id="some there"),
    ],
)
@pytest.mark.parametrize("form", SOME_FORMS)
def test_a_declared_id_that_is_a_primary_key_follows_its_row(
    form: str, summaries: set[str], archives: Archives
) -> None:
    _follows(archives(form, summaries), summaries)


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_it_follows_if_it_was_declared_before_the_backup(form: str, tmp_path: Path) -> None:
    _follows(Archive(tmp_path, form, {"B3", "B5"}, at_once=True), {"B3", "B5"})


@pytest.mark.long
def test_it_follows_on_a_server_too(tmp_path: Path, postgres_database: str) -> None:
    _follows(Archive(tmp_path, "a number", {"B3", "B5"}, postgres_database), {"B3", "B5"})


def _follows(archive: Archive, summaries: set[str]) -> None:
    result = archive.merge(declared=True)

    assert result.done, result.plan.conflicts
    of_both = {(number, f"B of {number}") for number in summaries}
    of_both |= {(number, f"A of {number}") for number in {"A3", "A4", "B5"} - summaries}
    remarks = {(f"B on {number}", f"B of {number}") for number in summaries}
    remarks |= {
        (f"A on {number}", f"{'B' if number in summaries else 'A'} of {number}") for number in ("A3", "A4", "B5")
    }
    assert archive.said() == (of_both, remarks)
    assert archive.merge(declared=True, dry_run=True).plan.writes == 0
