"""The reference EDMS in three versions, written into a folder: each is the one before with changed models and new migrations.

1: as it stands in the repository. 2: a column is renamed, a table is split in two and its rows moved, the models of the app
`placeholders` are deleted. 3: that app is gone from the code; shelves are new: a table, a reference to it, an indexed column.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.reference_system import PROJECT

_HEAD = "from django.db import migrations, models\nimport django.db.models.deletion\n\n\n"

RENAME = """
class Migration(migrations.Migration):
    dependencies = [("documents", "0002_default_types_and_sources")]
    operations = [migrations.RenameField("document", "abstract", "summary")]
"""

SPLIT = """
class Migration(migrations.Migration):
    dependencies = [("documents", "0003_rename_abstract")]
    operations = [
        migrations.CreateModel(
            "RetentionRule",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("days", models.PositiveIntegerField()),
                ("document_type", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE,
                                                       related_name="retention", to="documents.documenttype")),
            ],
        ),
    ]
"""

MOVE = """
def move(apps, schema_editor):
    rules, types = apps.get_model("documents", "RetentionRule"), apps.get_model("documents", "DocumentType")
    for kind in types.objects.exclude(retention_days=None).order_by("code"):
        rules.objects.create(document_type=kind, days=kind.retention_days)


class Migration(migrations.Migration):
    dependencies = [("documents", "0004_retentionrule")]
    operations = [migrations.RunPython(move, migrations.RunPython.noop)]
"""

UNSPLIT = """
class Migration(migrations.Migration):
    dependencies = [("documents", "0005_move_retention")]
    operations = [migrations.RemoveField("documenttype", "retention_days")]
"""

DELETE_PLACEHOLDERS = """
class Migration(migrations.Migration):
    dependencies = [("placeholders", "0002_default_placeholders")]
    operations = [
        migrations.RemoveField("documenttemplate", "placeholders"),
        migrations.DeleteModel("ControlledTemplate"),
        migrations.DeleteModel("TemplatePlaceholder"),
        migrations.DeleteModel("DocumentTemplate"),
        migrations.DeleteModel("PlaceholderDefinition"),
    ]
"""

SHELVES = """
class Migration(migrations.Migration):
    dependencies = [("documents", "0006_remove_retention_days")]
    operations = [
        migrations.CreateModel(
            "Shelf",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("room", models.CharField(max_length=40, unique=True)),
            ],
        ),
        migrations.AddField("document", "barcode", models.CharField(max_length=40, null=True, db_index=True)),
        migrations.AddField("document", "shelf", models.ForeignKey(
            null=True, on_delete=django.db.models.deletion.PROTECT, to="documents.shelf")),
    ]
"""

FILL_SHELVES = """
def fill(apps, schema_editor):
    shelves, documents = apps.get_model("documents", "Shelf"), apps.get_model("documents", "Document")
    made = [shelves.objects.create(room=room) for room in ("cellar", "attic", "vault")]
    for document in documents.objects.order_by("pk")[:7]:
        documents.objects.filter(pk=document.pk).update(shelf=made[document.pk % 3], barcode=f"*{document.pk}*")


class Migration(migrations.Migration):
    dependencies = [("documents", "0007_shelves")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
"""

RETENTION_MODEL = '''

class RetentionRule(models.Model):
    """How long documents of a type are kept."""

    document_type = models.OneToOneField(DocumentType, on_delete=models.CASCADE, related_name="retention")
    days = models.PositiveIntegerField()
'''

SHELF_MODEL = '''

class Shelf(models.Model):
    """Where the paper is."""

    room = models.CharField(max_length=40, unique=True)
'''


def write_versions(folder: Path) -> tuple[Path, Path, Path]:
    """Write versions 1, 2 and 3 into `folder` (created); returns their project folders."""
    one, two, three = (folder / f"version-{number}" for number in (1, 2, 3))
    copy_project(PROJECT, one)
    copy_project(one, two)
    _make_second(two)
    copy_project(two, three)
    _make_third(three)
    return one, two, three


def copy_project(source: Path, target: Path) -> None:
    """A project of its own."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "var"))


def add_migration(project: Path, app: str, name: str, source: str) -> None:
    """Put a migration into an app."""
    path = project / app / "migrations" / f"{name}.py"
    assert not path.exists()
    path.write_text(_HEAD + source, encoding="utf-8")


def replace(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts that each stand in the file once."""
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert text.count(old) == 1, (path.name, old, text.count(old))
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def _make_second(project: Path) -> None:
    documents, placeholders = project / "documents", project / "placeholders"
    replace(
        documents / "models.py",
        ("    abstract = models.TextField(", "    summary = models.TextField("),
        ("    retention_days = models.PositiveIntegerField(null=True, blank=True)\n", ""),
        ("\n\nclass DocumentSourceManager(", f"{RETENTION_MODEL}\n\nclass DocumentSourceManager("),
    )
    replace(documents / "services.py", ("abstract=document.abstract", "summary=document.summary"))
    replace(documents / "admin.py", ('"retention_days", ', ""))
    add_migration(project, "documents", "0003_rename_abstract", RENAME)
    add_migration(project, "documents", "0004_retentionrule", SPLIT)
    add_migration(project, "documents", "0005_move_retention", MOVE)
    add_migration(project, "documents", "0006_remove_retention_days", UNSPLIT)
    add_migration(project, "placeholders", "0003_delete_models", DELETE_PLACEHOLDERS)
    (placeholders / "models.py").write_text('"""Nothing is left here."""\n', encoding="utf-8")
    (placeholders / "admin.py").unlink()
    replace(
        project / "audit" / "recording.py",
        ("from placeholders.models import ControlledTemplate, DocumentTemplate, PlaceholderDefinition\n", ""),
        ("    PlaceholderDefinition,\n    DocumentTemplate,\n    ControlledTemplate,\n", ""),
    )
    # It fills what is no more, and nothing here calls it.
    shutil.rmtree(project / "population")
    (documents / "management" / "commands" / "populate.py").unlink()


def _make_third(project: Path) -> None:
    shutil.rmtree(project / "placeholders")
    replace(project / "config" / "settings.py", ('    "placeholders",\n', ""))
    replace(
        project / "documents" / "models.py",
        ("\n\nclass DocumentManager(", f"{SHELF_MODEL}\n\nclass DocumentManager("),
        (
            "    created_at = models.DateTimeField(auto_now_add=True)\n    updated_at",
            "    barcode = models.CharField(max_length=40, null=True, db_index=True)\n"
            "    shelf = models.ForeignKey(Shelf, null=True, on_delete=models.PROTECT)\n"
            "    created_at = models.DateTimeField(auto_now_add=True)\n    updated_at",
        ),
    )
    add_migration(project, "documents", "0007_shelves", SHELVES)
    add_migration(project, "documents", "0008_fill_shelves", FILL_SHELVES)
