"""The probe tells the truth about an EDMS it has never seen, and disturbs nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edms_tasks.inventory.run_probe as inspect
from edms_tasks.errors import EdmsNotImportable
from edms_tasks.inventory.probe_report import ProbeModel, ProbeReport
from edms_tasks.settings import settings_from
from tests.inventory.small_project import small_project


def _model(report: ProbeReport, label: str) -> ProbeModel:
    return next(model for model in report.models if model.label == label)


def test_the_probe_is_valid_python_3_8() -> None:
    source = Path(inspect.__file__).with_name("probe.py").read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 8))


def test_a_natural_key_through_references_is_compared_with_the_rows(tmp_path: Path) -> None:
    settings = small_project(
        tmp_path,
        """
class Author(models.Model):
    name = models.CharField(max_length=9, unique=True)
    def natural_key(self): return (self.name,)
class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.CharField(max_length=9)
    def natural_key(self): return (self.title,) + self.author.natural_key()
""",
        "for n in 'ab': Book.objects.create(author=Author.objects.create(name=n), title='t')",
    )

    report = inspect.run_probe(settings)

    key = _model(report, "small.Book").natural_key
    assert key is not None
    assert key.paths == (("title",), ("author_id", "name"))
    assert (key.compared_rows, key.on_manager) == (2, False)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return (self.name, self.pk)", "holds the primary key"),
        ("return (self.name.upper() + '!',)", "equals no column"),
        ("return self.name", "does not return a tuple"),
        ("raise ValueError('no')", "raised ValueError"),
        ("return (self.name,) * self.pk", "different lengths"),
    ],
)
def test_a_broken_natural_key_is_named(body: str, problem: str, tmp_path: Path) -> None:
    settings = small_project(
        tmp_path,
        f"class Thing(models.Model):\n    name = models.CharField(max_length=9)\n    def natural_key(self): {body}\n",
        "Thing.objects.create(name='a'); Thing.objects.create(name='b')",
    )

    key = _model(inspect.run_probe(settings), "small.Thing").natural_key

    assert key is not None and key.paths is None
    assert problem in str(key.problem)


def test_generic_references_and_their_look_alikes_are_distinguished(tmp_path: Path) -> None:
    settings = small_project(
        tmp_path,
        """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
class Declared(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
    target = GenericForeignKey()
class LookAlike(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
""",
    )

    report = inspect.run_probe(settings)

    assert [g.declared for g in _model(report, "small.Declared").generics] == [True]
    assert [g.declared for g in _model(report, "small.LookAlike").generics] == [False]


def test_hidden_rows_many_to_many_tables_and_parents_are_reported(tmp_path: Path) -> None:
    settings = small_project(
        tmp_path,
        """
class Tag(models.Model): pass
class Base(models.Model):
    tags = models.ManyToManyField(Tag)
class Child(Base):
    extra = models.TextField()
class Shown(Base):
    class Meta: proxy = True
""",
    )

    report = inspect.run_probe(settings)

    labels = {model.label for model in report.models}
    assert "small.Base_tags" in labels and "small.Shown" not in labels
    assert _model(report, "small.Base_tags").auto_created
    child = _model(report, "small.Child")
    assert child.parents == ("small_base",)
    assert [field.parent_link for field in child.fields if field.primary_key] == [True]


def test_a_missing_database_is_reported_and_not_raised(tmp_path: Path) -> None:
    settings = small_project(
        tmp_path, "", settings="if BASE.joinpath('gone').exists(): DATABASES['default']['NAME'] = '/nowhere/db.sqlite3'"
    )
    (tmp_path / "gone").touch()

    report = inspect.run_probe(settings)

    assert "/nowhere/db.sqlite3" in str(report.database_error)
    assert report.databases[0].name == "/nowhere/db.sqlite3"


def test_settings_that_fail_say_so_without_the_secrets(tmp_path: Path) -> None:
    settings = small_project(tmp_path, "")
    (tmp_path / "small_settings.py").write_text(
        "import os; raise RuntimeError('refused: ' + os.environ['TOKEN'])", encoding="utf-8"
    )
    settings = settings.model_copy(
        update={
            "edms": settings_from(
                {"edms": {**settings.edms.model_dump(exclude={"env"}), "env": {"TOKEN": "very-secret"}}},
                where=tmp_path / "x",
            ).edms
        }
    )

    with pytest.raises(EdmsNotImportable) as caught:
        inspect.run_probe(settings)

    assert "refused: ***" in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_an_interpreter_without_django_is_distinguished_from_bad_settings(tmp_path: Path) -> None:
    settings = small_project(tmp_path, "")
    wrong = tmp_path / "python"
    wrong.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'django'\" >&2\nexit 1\n")
    wrong.chmod(0o755)
    edms = settings.edms.model_copy(update={"python": wrong})

    with pytest.raises(EdmsNotImportable, match="has no Django"):
        inspect.run_probe(settings.model_copy(update={"edms": edms}))
