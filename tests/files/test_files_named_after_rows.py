"""Files whose names are made from rows, without a column that has the path: found where they are, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edms_tasks.inventory.model import Finding
from edms_tasks.settings import Settings
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_doctor

MODELS = """
import hashlib, uuid

class Document(models.Model):
    number = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=20, default="draft")

class Scan(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    document = models.ForeignKey(Document, models.CASCADE)
    checksum = models.CharField(max_length=64)

class Archived(models.Model):
    document = models.ForeignKey(Document, models.CASCADE)
    slug = models.CharField(max_length=80)
"""

# Folder -> the name of the file of document d with scan s and archive entry a, and the column that it is made from.
CONVENTIONS = {
    "uuid": ("f'{s.id.hex[:2]}/{s.id}.pdf'", "small.Scan.id"),
    "uuid_in_a_name": ("f'scan_{s.id}_page-1.tif'", "small.Scan.id"),
    "uuid_of_a_folder": ("f'{s.id.hex}/original.pdf'", "small.Scan.id"),
    "checksum_in_shards": ("f'{s.checksum[:2]}/{s.checksum[2:4]}/{s.checksum[4:]}'", "small.Scan.checksum"),
    "documents_by_pk": ("f'{d.pk:07}.pdf'", "small.Document.id"),
    "document_folders": ("f'{d.pk}/version-2/current.pdf'", "small.Document.id"),
    "shards_of_pk": ("f'{d.pk // 1000:03}/document{d.pk}.pdf'", "small.Document.id"),
    "number": ("f'{d.number}.docx'", "small.Document.number"),
    "number_and_version": ("f'{d.number}_v2.0 final.pdf.p7m'", "small.Document.number"),
    "slug_of_a_folder": ("f'{a.slug}/text.odt'", "small.Archived.slug"),
}

ROWS = """
from pathlib import Path
Document.objects.create(number="GAP-1").delete()
for n in range(3, 33):
    d = Document.objects.create(number=f"SOP-{n:04}")
    s = Scan.objects.create(document=d, checksum=hashlib.sha256(b"%d" % n).hexdigest())
    a = Archived(document=d, slug=f"procedure {n} of ours"); a.save()
    for folder, name in FILES.items():
        file = Path(settings.BASE_DIR) / folder / eval(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a document")
"""

# What stands around an EDMS and is none of its documents, however much of it has the names of rows.
OTHERS = [
    *(f"guide/pictures/step{n}.png" for n in range(1, 9)),
    *(f"seeds/{name}.json" for name in ("document", "scan", "archived", "group", "user", "permission")),
    *(f"icons/{state}.svg" for state in ("draft", "review", "approved")),
    *(f"reports/2024/{month:02}/summary.html" for month in range(1, 13)),
    "README.pdf",
    "deploy/app.conf",
]


def edms(folder: Path, files: Sequence[str], others: Sequence[str] = ()) -> Settings:
    rows = f"FILES = { {name: CONVENTIONS[name][0] for name in files} }\n{ROWS}"
    made = small_project(folder / "edms", MODELS, rows, settings='BASE_DIR = BASE\nMEDIA_ROOT = BASE / "media"\n')
    for name in others:
        file = folder / "edms" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"no document")
    repository = made.repository.model_copy(update={"url": str(folder / "repository")})
    return made.model_copy(update={"repository": repository, "workdir": folder / "work"})


def said(findings: Sequence[Finding], code: str = "files-outside-the-roots") -> dict[str, Finding]:
    return {one.subject: one for one in findings if one.code == code}


def test_each_way_to_name_a_file_after_a_row_is_found_and_its_folder_proposed(tmp_path: Path) -> None:
    settings = edms(tmp_path, list(CONVENTIONS), OTHERS)

    examined = run_doctor(settings)

    found = said(examined.diagnosis.assessments)
    assert set(found) == {column for _, column in CONVENTIONS.values()}
    assert {one.severity for one in found.values()} == {"error"} and not examined.diagnosis.healthy
    assert {subject: one.count for subject, one in found.items()} == dict.fromkeys(found, 30)
    for name, (_, column) in CONVENTIONS.items():
        assert f'{name} = "{tmp_path}/edms/{name}"' in examined.settings
        assert f'"{tmp_path}/edms/{name}"' in found[column].fix
    assert said(examined.diagnosis.assessments, "files-in-no-root") == {}


def test_a_backup_says_the_same_and_is_content_once_the_folders_are_named_or_excluded(tmp_path: Path) -> None:
    settings = edms(tmp_path, ["documents_by_pk", "number"])

    first = said(run_backup(settings, create_repository=True).manifest.findings)
    assert {subject: one.count for subject, one in first.items()} == {
        "small.Document.id": 30,
        "small.Document.number": 30,
    }

    files = settings.files.model_copy(update={"roots": {"documents": tmp_path / "edms/documents_by_pk"}})
    exclude = settings.exclude.model_copy(update={"folders": (tmp_path / "edms/number",)})
    again = run_backup(settings.model_copy(update={"files": files, "exclude": exclude})).manifest
    assert said(again.findings) == {}
    assert list(said(again.findings, "folder-excluded")) == [f"{tmp_path}/edms/number"]
    assert sum(index.files for index in again.files) == 30


def test_doctor_suggests_a_declaration_for_ids_in_the_names_of_a_root_and_for_no_texts(tmp_path: Path) -> None:
    settings = edms(tmp_path, list(CONVENTIONS))
    roots = {name: tmp_path / "edms" / name for name in CONVENTIONS}
    settings = settings.model_copy(update={"files": settings.files.model_copy(update={"roots": roots})})

    examined = run_doctor(settings)

    suggested = {subject: one.fix for subject, one in said(examined.diagnosis.assessments, "ids-in-file-names").items()}
    targets = {subject: fix.partition('target = "')[2].rstrip('"') for subject, fix in suggested.items()}
    assert targets == {
        "documents_by_pk:{pk:07}.pdf": "small.Document",
        "document_folders:{pk}/*/*": "small.Document",
        "shards_of_pk:*/document{pk}.pdf": "small.Document",
        "uuid:*/{pk}.pdf": "small.Scan",
        "uuid_in_a_name:scan_{pk}_page-*.tif": "small.Scan",
        "uuid_of_a_folder:{pk}/*": "small.Scan",
    }
    assert said(examined.diagnosis.assessments) == {}


def test_what_stands_around_an_edms_is_not_taken_for_its_documents(tmp_path: Path) -> None:
    examined = run_doctor(edms(tmp_path, [], OTHERS))

    assert said(examined.diagnosis.assessments) == {}
    assert said(examined.diagnosis.assessments, "files-in-no-root") == {}


@pytest.mark.parametrize("named", ["by a setting", "by nothing"])
def test_documents_of_which_no_row_is_known_are_a_warning(named: str, tmp_path: Path) -> None:
    letters = [f"letters/{sender} wrote.pdf" for sender in ("Anna", "Berta", "Clara")]
    settings = edms(tmp_path, [], letters)
    if named == "by a setting":
        with (tmp_path / "edms/small_settings.py").open("a", encoding="utf-8") as file:
            file.write('LETTER_DIR = BASE / "letters"\n')

    (found,) = said(run_doctor(settings).diagnosis.assessments, "files-in-no-root").values()

    assert (found.severity, found.subject, found.count) == ("warning", f"{tmp_path}/edms/letters", 3)
    assert set(found.examples) == {f"{tmp_path}/edms/{name}" for name in letters}
    assert ("LETTER_DIR" in found.message) == (named == "by a setting")
