"""Ids in texts: doctor names the columns that a merge would refuse, with the lines that declare them."""

from __future__ import annotations

import tomllib

import pytest

from flows.doctor import Examined
from tests.inventory.small_project import small_project
from tests.running import run_doctor

MODELS = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)

class Note(models.Model):
    code = models.CharField(max_length=20, unique=True)
    remark = models.TextField()
    address = models.CharField(max_length=100)
    tags = models.CharField(max_length=100)
    line = models.TextField()
    prose = models.TextField()
    hidden = models.TextField()
"""
ROWS = """
documents = [Document.objects.create(number=f"SOP-{n}") for n in range(60)]
for n, one in enumerate(documents):
    other = documents[n * 7 % 60]
    Note.objects.create(
        code=f"N-{n}", remark=f"replaces #{other.pk}, see there", address=f"https://edms.example/documents/{other.pk}/edit",
        tags=f"|{one.pk}|{other.pk}|", line=f"document:{one.pk}" if n % 2 else f"document/{one.pk}",
        prose=f"{n} pages, version 2.{n % 10}, written on 2024-05-{n % 28 + 1:02}", hidden=f"document:{other.pk}",
    )
"""


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    settings = small_project(tmp_path_factory.mktemp("edms"), MODELS, ROWS, settings="BASE_DIR = BASE\n")
    sensitive = settings.validate_.model_copy(update={"sensitive": ("small.Note.hidden",)})
    return run_doctor(settings.model_copy(update={"validate_": sensitive, "workdir": tmp_path_factory.mktemp("work")}))


@pytest.mark.long
def test_texts_with_ids_are_named_and_texts_with_other_numbers_are_not(examined: Examined) -> None:
    found = {one.subject.rpartition(".")[2] for one in examined.diagnosis.assessments if one.code == "soft-reference"}

    assert found == {"remark", "address", "tags", "line"}


def test_the_suggested_lines_declare_them_where_the_text_before_an_id_is_always_the_same(examined: Examined) -> None:
    suggested = {one["column"]: one for one in tomllib.loads(examined.settings)["soft_references"]}

    forms = {name.rpartition(".")[2]: one.get("pattern") or one.get("separator") for name, one in suggested.items()}
    assert forms == {"remark": "#%d", "address": "documents/%d", "tags": "|"}
    assert {one["target"] for one in suggested.values()} == {"small.Document"}


def test_the_text_of_a_sensitive_column_is_not_quoted(examined: Examined) -> None:
    assert "hidden" not in examined.settings
