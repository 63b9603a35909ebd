"""What only looks like a reference is told; numbers that mean themselves are not, however well they resolve."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.doctor import id_candidates, samples
from edms_tasks.doctor.id_candidates import CandidatePlace
from edms_tasks.inventory.model import Column, Table
from tests.inventory.small_project import small_project
from tests.running import run_doctor

# A thousand things with ids 1, 2, 3, …: every small number is one of them.
DENSE = """
Thing.objects.bulk_create(Thing(id=n) for n in range(1, 1001))
"""


def _suspected(folder: Path, models: str, rows: str) -> dict[str, str]:
    settings = small_project(folder / "project", "class Thing(models.Model): pass\n" + models, DENSE + rows)
    diagnosis = run_doctor(settings).diagnosis
    return {one.subject: one.message for one in diagnosis.assessments if one.code == "soft-reference"}


def test_small_numbers_are_no_references_where_every_small_number_is_an_id(tmp_path: Path) -> None:
    suspected = _suspected(
        tmp_path,
        """
class Page(models.Model):
    number = models.IntegerField()
    label = models.CharField(max_length=20)
    percent = models.IntegerField()
    tags = models.CharField(max_length=50)
    layout = models.JSONField()
""",
        "Page.objects.bulk_create(Page(number=n, label=str(n), percent=n % 100 + 1, tags=f'{n},{n % 7 + 1}', "
        "layout={'rows': n, 'cells': [1, 2, n], '12': {'height': n}}) for n in range(1, 301))",
    )

    assert suspected == {}


def test_the_columns_name_decides_if_the_numbers_do_not(tmp_path: Path) -> None:
    suspected = _suspected(
        tmp_path,
        """
class Note(models.Model):
    thing_id = models.IntegerField(null=True)
    things = models.CharField(max_length=50)
    about = models.JSONField()
class Reader(models.Model):
    owner = models.ForeignKey(Thing, models.CASCADE, null=True)
""",
        "Note.objects.bulk_create(Note(thing_id=n, things=f'{n}, {n + 1}', "
        "about={'thingIds': [n, n + 1], 'owner_id': str(n), 'other_id': n}) for n in range(1, 31))",
    )

    assert set(suspected) == {"small.Note.thing_id", "small.Note.things", "small.Note.about"}
    # `owner` is what another model calls its reference to a thing.
    assert "$.owner_id" in suspected["small.Note.about"] or "$.thingIds[*]" in suspected["small.Note.about"]


def test_a_counter_that_runs_along_with_the_primary_key_is_no_reference(tmp_path: Path) -> None:
    suspected = _suspected(
        tmp_path,
        """
class Act(models.Model):
    sequence = models.IntegerField()
""",
        "Act.objects.bulk_create(Act(id=n, sequence=n) for n in range(7, 3000, 7))",
    )

    assert suspected == {}


def test_most_values_must_resolve(tmp_path: Path) -> None:
    suspected = _suspected(
        tmp_path,
        """
class Note(models.Model):
    thing_id = models.IntegerField()
    thing_ref = models.CharField(max_length=20)
""",
        "Note.objects.bulk_create(Note(thing_id=n if n % 5 < 2 else 10**6 + n, "
        "thing_ref=str(n) if n % 5 < 3 else 'none') for n in range(1, 101))",
    )

    assert set(suspected) == {"small.Note.thing_ref"}
    assert "60% of the 100 examined are" in suspected["small.Note.thing_ref"]


def test_a_large_table_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SAMPLE_ROWS", 50)

    suspected = _suspected(
        tmp_path,
        """
class Note(models.Model):
    thing_id = models.IntegerField()
""",
        "Note.objects.bulk_create(Note(thing_id=n % 1000 + 1) for n in range(2000))",
    )

    looked_at = int(suspected["small.Note.thing_id"].partition("of the ")[2].split()[0])
    # Rows are chosen by a hash: about fifty.
    assert 20 < looked_at < 110


@pytest.mark.parametrize(
    ("column", "path", "name"),
    [
        ("document_id", "", "document_id"),
        ("payload", "$.document_ids[*]", "document_ids"),
        ("payload", "$.parent.document.id", "document_id"),
        ("payload", '$."the document".pk', "the document_pk"),
        ("payload", "$.approvals.*", "approvals"),
        ("payload", "$[*]", "payload"),
        ("payload", "$.*.owner", "owner"),
    ],
)
def test_a_json_path_is_named_by_its_last_key(column: str, path: str, name: str) -> None:
    table = Table(
        id="t",
        schema_name=None,
        name="t",
        columns=(Column(name=column, native_type="text", logical_type="json", nullable=True),),
    )

    assert CandidatePlace(table, column, path, "value", several=False, filled=1, alike=1).name == name


def test_values_that_are_no_ids_are_not_even_looked_up() -> None:
    import re

    patterns = [id_candidates.ID, id_candidates._LIST]
    accepted = {
        text: any(re.fullmatch(pattern, text) for pattern in patterns)
        for text in ("12", "0012", "-3", "1.5", "12,13", "{12,13}", "12 | 13", "12,", "a12", "", "2024-01-01", "1e5")
    }

    assert [text for text, yes in accepted.items() if yes] == ["12", "12,13", "{12,13}", "12 | 13"]
