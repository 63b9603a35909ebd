"""Correlations by chance are not suggested, and what no row shows yet takes one line."""

from __future__ import annotations

import tomllib

import pytest

from flows.doctor import Examined
from tests.inventory.small_project import small_project
from tests.running import run_doctor

MODELS = """
from django.contrib.contenttypes.models import ContentType
class Page(models.Model):
    slug = models.CharField(max_length=20, unique=True)
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Link(models.Model):
    document_id = models.IntegerField()   # holds ids of pages, whatever it is called
    sort_order = models.IntegerField()    # counts, and nearly all of it are ids
    running = models.IntegerField()       # runs along with the primary key
class Setting(models.Model):              # three kinds, three languages: nine rows
    kind = models.CharField(max_length=20)
    language = models.CharField(max_length=20)
class Entry(models.Model):                # titles happen to differ
    title = models.CharField(max_length=20)
class Line(models.Model):                 # positions happen to differ
    position = models.IntegerField()
class Sheet(models.Model):                # 40 documents in 5 versions each
    number = models.CharField(max_length=20)
    version = models.IntegerField()
class Flag(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
class Mark(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE, null=True)
    object_id = models.IntegerField(null=True)
class Authenticator(models.Model):
    type = models.CharField(max_length=20)
    data = models.JSONField()
class Device(models.Model):
    key = models.CharField(max_length=80)
class Option(models.Model):
    key = models.CharField(max_length=80)
    value = models.TextField()
"""
ROWS = """
Page.objects.bulk_create(Page(id=n, slug=f"p{n}") for n in range(7, 2100, 7))
Document.objects.bulk_create(Document(id=n, number=f"d{n}") for n in {*range(7, 2100, 14), *range(1, 2000, 11)})
Link.objects.bulk_create(Link(id=n, document_id=7 * (n * 37 % 299 + 1), sort_order=7 * (n % 290 + 1), running=n)
    for n in range(7, 2100, 7))
for kind in "abc":
    for language in ("de", "en", "fr"): Setting.objects.create(kind=kind, language=language)
for n in range(30):
    Entry.objects.create(title=f"report {n}"); Line.objects.create(position=n)
for n in range(200): Sheet.objects.create(number=f"s{n // 5}", version=n % 5)
Authenticator.objects.create(type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
Authenticator.objects.create(type="totp", data={"secret": "gAAAAABk" + "x" * 40})
Device.objects.create(key="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b")
Mark.objects.create(slug="m")
Option.objects.create(key="documents.maximum_number_of_pages", value="12")
"""


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    return run_doctor(small_project(tmp_path_factory.mktemp("chance") / "project", MODELS, ROWS))


@pytest.mark.long
def test_values_decide_against_the_name_where_all_are_ids_of_another_model(examined: Examined) -> None:
    declared = tomllib.loads(examined.settings)["soft_references"]

    assert declared == [{"column": "small.Link.document_id", "target": "small.Page"}]


def test_only_columns_that_differ_for_a_reason_are_suggested_as_a_key(examined: Examined) -> None:
    assert tomllib.loads(examined.settings)["natural_keys"] == {"small.Sheet": ["number", "version"]}


def test_what_no_row_shows_yet_is_one_group(examined: Examined) -> None:
    (group,) = [one for one in examined.groups if "no rows yet" in one.message]

    # Flag has no rows; a Mark has no values.
    assert [subject for subject, _ in group.subjects if subject.startswith("small.")] == [
        "small.Mark.content_type + object_id",
        "small.Flag",
    ]


def test_secrets_of_authenticators_and_keys_that_a_machine_made_are_recognised(examined: Examined) -> None:
    found = {one.subject: one.count for one in examined.diagnosis.assessments if one.code == "secret-in-clear"}

    assert found == {"small.Authenticator.data": 1, "small.Device.key": 1}
