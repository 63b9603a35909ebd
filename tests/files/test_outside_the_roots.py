"""Files that rows name and no root holds are an error of doctor and backup, counted like an independent walk of the folder."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from edms_tasks.inventory.model import Finding
from edms_tasks.settings import Settings, load_settings
from flows.init import initialise
from tests.inventory.small_project import run_python, small_project
from tests.running import run_backup, run_doctor

MODELS = """
import uuid

class Upload(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    path = models.CharField(max_length=300)

class Page(models.Model):
    upload = models.ForeignKey(Upload, models.CASCADE)
    tiles = models.JSONField(default=list)

class Logo(models.Model):
    picture = models.FileField(upload_to="logos")
    link = models.CharField(max_length=100, default="/logos/logo.png")
    template = models.CharField(max_length=100, default="small/detail.html")
"""

ROWS = r"""
from django.core.files.base import ContentFile
from django.conf import settings
import sys
from pathlib import Path
Logo().picture.save("logo.png", ContentFile(b"logo"))
for page in ("small/templates/small/detail.html",):
    file = Path(settings.BASE_DIR) / page; file.parent.mkdir(parents=True); file.write_text("a page")
store = Path(settings.BASE_DIR) / FOLDER
store.mkdir(parents=True)
for number in range(12):
    upload = Upload(path="")
    (store / NAME(upload)).write_bytes(b"a document")
    upload.path = VALUE(upload)
    upload.save()
    Page(upload=upload, tiles=TILES(upload)).save()
Upload(path="gone/away.pdf").save()
"""

SETTINGS = 'BASE_DIR = BASE\nMEDIA_ROOT = BASE / "media"\nMEDIA_URL = "/media/"\n'

PLAIN = 'FOLDER = "storage/documents"\nNAME = lambda upload: str(upload.id)\nTILES = lambda upload: []\n'
CONVENTIONS = {
    "below the project": PLAIN + 'VALUE = lambda upload: f"storage/documents/{upload.id}"\n',
    "absolute": PLAIN + 'VALUE = lambda upload: str(Path(settings.BASE_DIR) / "storage/documents" / str(upload.id))\n',
    "of Windows": PLAIN + 'VALUE = lambda upload: rf"storage\\documents\\{upload.id}"\n',
    "below a sub-folder": PLAIN + 'VALUE = lambda upload: f"documents/{upload.id}"\n',
    "a URL": PLAIN + 'VALUE = lambda upload: f"https://edms.example/media/documents/{upload.id}?v=2"\n',
    "an id alone": PLAIN + 'VALUE = lambda upload: ""\n',
    "a list in JSON": PLAIN
    + 'NAME = lambda upload: f"seite \\u00e4 {upload.id.int % 999999999989}.png"\nVALUE = lambda upload: ""\n'
    + 'TILES = lambda upload: ["gone/1.png", {"tile": "storage/documents/" + NAME(upload)}]\n',
    "a file name": PLAIN + 'NAME = lambda upload: f"{upload.id.int % 999999999989}.pdf"\nVALUE = NAME\n',
}
# The others are for `make test-long`.
SOME_CONVENTIONS = ("absolute", "a list in JSON", "a file name")


def edms(folder: Path, rows: str, settings: str = "") -> Settings:
    made = small_project(folder / "edms", MODELS, rows + ROWS, settings=SETTINGS + settings)
    repository = made.repository.model_copy(update={"url": str(folder / "repository")})
    return made.model_copy(update={"repository": repository, "workdir": folder / "work"})


def outside(findings: tuple[Finding, ...]) -> list[Finding]:
    return [one for one in findings if one.code == "files-outside-the-roots"]


@pytest.mark.parametrize(
    "convention",
    [pytest.param(one, marks=[] if one in SOME_CONVENTIONS else [pytest.mark.long]) for one in CONVENTIONS],
)
def test_files_that_rows_name_outside_every_root_are_an_error(convention: str, tmp_path: Path) -> None:
    settings = edms(tmp_path, CONVENTIONS[convention])

    examined = run_doctor(settings)

    there = list((tmp_path / "edms/storage/documents").iterdir())
    found = outside(examined.diagnosis.assessments)
    assert {one.count for one in found} == {len(there)} and not examined.diagnosis.healthy
    assert {one.severity for one in found} == {"error"}
    assert all(one.examples and set(one.examples) <= {str(path) for path in there} for one in found)
    assert f'documents = "{tmp_path}/edms/storage/documents"' in examined.settings
    assert {one.subject.split(".")[1] for one in found} == {"Page" if convention == "a list in JSON" else "Upload"}


@pytest.mark.long
def test_the_snapshot_has_the_finding_and_the_proposed_root_includes_the_files(tmp_path: Path) -> None:
    settings = edms(tmp_path, CONVENTIONS["below the project"])

    (said,) = [one for one in outside(run_doctor(settings).diagnosis.assessments) if one.subject == "small.Upload.path"]
    made = run_backup(settings, create_repository=True)

    stored = outside(made.manifest.findings)
    assert [(one.severity, one.count, one.examples) for one in stored if one.subject == said.subject] == [
        ("error", said.count, said.examples)
    ]

    roots = {"documents": tmp_path / "edms/storage/documents"}
    found = settings.model_copy(update={"files": settings.files.model_copy(update={"roots": roots})})
    again = run_backup(found)
    assert outside(again.manifest.findings) == []
    assert outside(run_doctor(found).diagnosis.assessments) == []
    assert sum(index.files for index in again.manifest.files) == 1 + 12


OF_FILES = {"missing-file", "orphan-files", "path-column", "files-outside-the-roots", "search-for-files-ended"}


def of_files(findings: Sequence[Finding]) -> set[tuple[object, ...]]:
    found = (one for one in findings if one.code in OF_FILES)
    return {(one.code, one.severity, one.subject, one.count, one.examples, one.message) for one in found}


def test_doctor_and_backup_report_the_same_files_and_the_proposed_roots_are_valid_settings(
    tmp_path: Path,
) -> None:
    rows = PLAIN + 'VALUE = lambda upload: ""\n'
    more = """
from pathlib import Path
for folder in ("cellar/scans", "attic/scans", 'odd "name"/scans'):
    there = Path(settings.BASE_DIR) / folder
    there.mkdir(parents=True)
    for number in range(4):
        (there / f"{number}.tif").write_bytes(b"a scan")
        Logo(link=f"{folder}/{number}.tif", picture="logos/gone.png").save()
kept = Path(settings.MEDIA_ROOT) / "kept"
kept.mkdir(parents=True)
(kept / "nobody.txt").write_bytes(b"an orphan")
for number in range(9):
    if number: (kept / f"{number}.txt").write_bytes(b"kept")
    Logo(template=f"kept/{number}.txt", link="").save()
Logo.objects.filter(template="small/detail.html").update(template="")
"""
    (tmp_path / "roots").mkdir()
    given = edms(tmp_path, f"FOLDER = 'storage/documents'\n{rows}", "")
    run_python(tmp_path / "edms", more)
    settings = given.model_copy(
        update={"files": given.files.model_copy(update={"roots": {"mine": tmp_path / "roots"}})}
    )

    examined = run_doctor(settings)
    made = run_backup(settings, create_repository=True)

    assert of_files(examined.diagnosis.assessments) == of_files(made.manifest.findings)
    counts = {(one.code, one.subject): one.count for one in made.manifest.findings}
    assert counts["missing-file", "small.Logo.picture"] == 12
    assert counts["missing-file", "small.Logo.template"] == 1
    assert counts["orphan-files", "files of media"] == 1
    assert counts["files-outside-the-roots", "small.Logo.link"] == 12
    proposed = tomllib.loads(examined.settings)["files"]["roots"]
    assert proposed.pop("mine") == str(tmp_path / "roots")
    base = tmp_path / "edms"
    assert set(proposed.values()) == {
        str(base / folder) for folder in ("storage/documents", "cellar/scans", "attic/scans", 'odd "name"/scans')
    }
    folders = {name: Path(path) for name, path in proposed.items()}
    again = run_doctor(given.model_copy(update={"files": given.files.model_copy(update={"roots": folders})}))
    assert outside(again.diagnosis.assessments) == []


@pytest.mark.long
def test_init_writes_the_roots_that_it_finds(tmp_path: Path) -> None:
    edms(tmp_path, CONVENTIONS["a list in JSON"] + CONVENTIONS["below the project"])
    project, config = tmp_path / "edms", tmp_path / "edms-backup.toml"
    (project / "manage.py").touch()

    made = initialise(
        config,
        project=project,
        settings_module="small_settings",
        python=Path(sys.executable),
        command=None,
        repository=str(tmp_path / "repository"),
        profile=None,
        force=False,
    )

    assert made.exit_code == 0
    (said,) = [check.answer for check in made.checks if check.subject == "files"]
    assert said.startswith("media: 1 files; 24 rows name files elsewhere")
    settings = load_settings(config)
    assert settings.files.roots == {"documents": project / "storage/documents"}
    assert outside(run_doctor(settings).diagnosis.assessments) == []
    assert tomllib.loads(config.read_text())["files"]["roots"]


@pytest.mark.parametrize("separator", ["\n", *(pytest.param(one, marks=pytest.mark.long) for one in (", ", ";"))])
def test_lists_of_paths_in_plain_text_are_searched(separator: str, tmp_path: Path) -> None:
    value = f"{separator!r}.join(['gone/1.png', f'storage/documents/{{upload.id}}'])"
    settings = edms(tmp_path, PLAIN + f"VALUE = lambda upload: {value}\n")

    found = {one.subject: one.count for one in outside(run_doctor(settings).diagnosis.assessments)}

    assert found["small.Upload.path"] == 12


@pytest.mark.long
@pytest.mark.parametrize("linked", ["the folder", "the root"])
def test_files_behind_links_are_neither_missed_nor_reported_twice(linked: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (tmp_path / "edms").mkdir()
    (tmp_path / "edms" / "storage").symlink_to(elsewhere)
    settings = edms(tmp_path, CONVENTIONS["below the project"])
    if linked == "the root":
        roots = {"documents": tmp_path / "edms/storage"}
        settings = settings.model_copy(update={"files": settings.files.model_copy(update={"roots": roots})})

    found = [one.count for one in outside(run_doctor(settings).diagnosis.assessments)]

    assert found == ([] if linked == "the root" else [12, 12])


def test_a_folder_that_a_setting_names_is_proposed_wherever_it_is(tmp_path: Path) -> None:
    away = tmp_path / "away" / "vault"
    rows = f"{PLAIN}FOLDER = {str(away)!r}\nNAME = lambda upload: f'{{upload.id}}.pdf'\nVALUE = NAME\n"
    settings = edms(tmp_path, rows, f"UPLOAD_STORAGE_DIR = {str(away)!r}")

    examined = run_doctor(settings)

    assert {one.count for one in outside(examined.diagnosis.assessments)} == {12}
    assert f'vault = "{away}"' in examined.settings


def test_an_edms_whose_files_are_in_its_roots_has_no_such_finding(tmp_path: Path) -> None:
    rows = PLAIN + 'FOLDER = "media/originals"\nNAME = lambda upload: f"{upload.id}.pdf"\nVALUE = NAME\n'
    assert outside(run_doctor(edms(tmp_path, rows)).diagnosis.assessments) == []


@pytest.mark.parametrize("way", ["a setting", pytest.param("a link", marks=pytest.mark.long)])
def test_a_folder_inside_a_root_is_not_outside_whatever_leads_to_it(way: str, tmp_path: Path) -> None:
    # Named by an id, the files are found by their names alone, as paperless-ngx's originals are.
    rows = (
        PLAIN
        + 'FOLDER = "media/store/originals"\nNAME = lambda upload: f"{upload.id}.pdf"\nVALUE = lambda upload: ""\n'
    )
    inner = tmp_path / "edms/media/store/originals"
    settings = edms(tmp_path, rows, f"ORIGINALS_DIR = {str(inner)!r}\n" if way == "a setting" else "")
    if way == "a link":
        (tmp_path / "edms/current").symlink_to(inner.parent)

    examined = run_doctor(settings)

    assert outside(examined.diagnosis.assessments) == []
    assert [one.subject for one in examined.diagnosis.assessments if one.code == "files-in-no-root"] == []


def test_storages_and_fields_without_a_known_folder_are_named_and_do_not_stop_the_backup(tmp_path: Path) -> None:
    models = """
from django.core.files.storage import FileSystemStorage

def nowhere():
    raise RuntimeError("a secret")

class Failing(FileSystemStorage):
    def path(self, name):
        raise NotImplementedError("a secret")

archive = Failing()

class Chosen(models.Model):
    file = models.FilePathField(path=nowhere)
"""
    settings = small_project(tmp_path, models)

    made = run_backup(settings, create_repository=True)

    (found,) = [one for one in made.manifest.findings if one.code == "folder-not-asked"]
    assert (found.severity, found.count) == ("warning", 2)
    assert set(found.examples) == {"small.Chosen.file: RuntimeError", "small.models.archive: NotImplementedError"}
    assert "a secret" not in made.manifest.model_dump_json()


def test_for_an_edms_behind_a_command_the_missing_search_is_reported(tmp_path: Path) -> None:
    settings = edms(tmp_path, CONVENTIONS["below the project"])
    database = f"sqlite:///{tmp_path}/edms/db.sqlite3"
    update = {"python": None, "command": (sys.executable,), "database_url": SecretStr(database)}
    roots = {"media": tmp_path / "edms/media"}
    through = settings.model_copy(
        update={
            "edms": settings.edms.model_copy(update=update),
            "files": settings.files.model_copy(update={"roots": roots}),
        }
    )

    made = run_backup(through, create_repository=True)

    assert [one.severity for one in made.manifest.findings if one.code == "not-searched-outside"] == ["info"]
