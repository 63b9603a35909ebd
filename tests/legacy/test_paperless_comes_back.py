"""Exports of a small paperless, in each form of its exporter, become snapshots; restored, every row and byte is what it was."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.settings import Settings, settings_from
from flows.convert import ConvertResult, convert
from flows.requests import ConvertRequest
from flows.running.run import Run
from tests.running import run_restore
from tests.warm_python import edms_python

pytestmark = pytest.mark.usefixtures("edms_asked_once", "edms_migrated_once")

_PROJECT = Path(__file__).with_name("small_paperless")
# What the exporter leaves out: the record of migrations, two users, and who they are to others.
_EXCLUDED = {"auth_user": "username NOT IN ('consumer', 'AnonymousUser')", "django_migrations": "0"}


@dataclass(frozen=True)
class SmallPaperless:
    """A filled system in a folder."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "db.sqlite3"

    @property
    def media(self) -> Path:
        return self.folder / "media"

    @property
    def environment(self) -> dict[str, str]:
        return {"PAPERLESS_DATABASE": str(self.database), "PAPERLESS_MEDIA_ROOT": str(self.media)}

    def run(self, *words: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DJANGO"))}
        command = [edms_python(), str(_PROJECT / "program.py"), *words]
        done = subprocess.run(command, env=kept | self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]

    def export(self, path: Path, **options: Any) -> Path:
        self.run("export", str(path), json.dumps(options))
        return path

    def settings(self, folder: Path, **convert_settings: Any) -> Settings:
        return settings_from(
            {
                "edms": {
                    "project": str(_PROJECT),
                    "settings": "small_paperless_settings",
                    "python": edms_python(),
                    "env": self.environment,
                },
                "repository": {"url": str(folder / "repository")},
                "convert": convert_settings,
                "workdir": str(folder / "work"),
            },
            where=folder / "edms-backup.toml",
        )


@pytest.fixture(scope="module")
def small_paperless(tmp_path_factory: pytest.TempPathFactory) -> SmallPaperless:
    """With the checksums of version 3."""
    made = SmallPaperless(tmp_path_factory.mktemp("paperless"))
    made.run("fill", "sha256")
    return made


@pytest.fixture(scope="module")
def older_paperless(tmp_path_factory: pytest.TempPathFactory) -> SmallPaperless:
    """With the checksums before version 3."""
    made = SmallPaperless(tmp_path_factory.mktemp("paperless"))
    made.run("fill", "md5")
    return made


def rows_of(database: Path) -> Mapping[str, list[Any]]:
    """Every row of every table that the exporter writes, read by sqlite3 alone."""
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        found = {}
        for (name,) in tables.fetchall():
            rows = connection.execute(f'SELECT * FROM "{name}" WHERE {_EXCLUDED.get(name, "1")}').fetchall()
            # Rows of a table between two have no identity: an export has their ends only.
            is_between = name in (
                "documents_document_tags",
                "documents_sharelinkbundle_documents",
                "auth_group_permissions",
            )
            found[name] = sorted((row[1:] if is_between else row for row in rows), key=repr)
        return found


def files_of(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def come_back(system: SmallPaperless, path: Path, folder: Path, **settings: Any) -> tuple[ConvertResult, Path, Path]:
    """What a conversion said, and the database and media that are restored from its snapshot."""
    own = system.settings(folder, **settings)
    made = convert.fn(Run(own), ConvertRequest(path=str(path)))
    database = folder / "back.sqlite3"
    done = run_restore(own, snapshot=made.snapshot_id, into=str(database), into_files=folder / "files")
    assert done.verdict == "proved", done.failures
    return made, database, folder / "files" / "media"


FORMS: dict[str, dict[str, Any]] = {
    "folder of 1.17": {"version": "1.17.0"},
    "split folder of 2.7, encrypted": {"version": "2.7.0", "split_manifest": True, "passphrase": "the passphrase"},
    "split, with prefixes and names of paperless": {
        "version": "3.0.5",
        "split_manifest": True,
        "use_folder_prefix": True,
        "use_filename_format": True,
    },
    "zip": {"version": "3.0.5", "zip": True, "use_filename_format": True},
}


@pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=[] if form.startswith("folder") else [pytest.mark.long]) for form in FORMS],
)
def test_an_export_comes_back(
    small_paperless: SmallPaperless, older_paperless: SmallPaperless, form: str, tmp_path: Path
) -> None:
    options = FORMS[form]
    system = small_paperless if options["version"] > "3" else older_paperless
    path = system.export(tmp_path / ("export.zip" if options.get("zip") else "export"), **options)

    secret = {"passphrase": options["passphrase"]} if "passphrase" in options else {}
    made, database, media = come_back(small_paperless, path, tmp_path, **secret)

    assert not made.losses
    assert rows_of(database) == rows_of(system.database)
    assert files_of(media) == files_of(system.media)
    assert made.made is not None
    assert made.made.manifest.converted is not None
    assert not made.made.manifest.converted.exact


@pytest.mark.long
def test_what_an_export_was_made_without_is_said_and_the_rest_comes_back(
    small_paperless: SmallPaperless, tmp_path: Path
) -> None:
    path = small_paperless.export(tmp_path / "export", version="2.14.7", no_archive=True, no_thumbnail=True)

    made, database, media = come_back(small_paperless, path, tmp_path)

    assert {one.subject for one in made.findings if one.code == "old-files-not-exported"} == {"archive", "thumbnails"}
    assert rows_of(database) == rows_of(small_paperless.database)
    whole = files_of(small_paperless.media)
    left_out = ("documents/archive/", "documents/thumbnails/")
    assert files_of(media) == {name: data for name, data in whole.items() if not name.startswith(left_out)}


@pytest.mark.long
def test_rows_alone_come_back_with_a_loss(small_paperless: SmallPaperless, tmp_path: Path) -> None:
    path = small_paperless.export(tmp_path / "export", version="2.14.7", data_only=True, passphrase="lost since")

    made, database, media = come_back(small_paperless, path, tmp_path)

    lost = {one.code: one.count for one in made.losses}
    assert lost.keys() == {"old-files-missing", "old-values-encrypted"}
    assert lost["old-values-encrypted"] == 1
    assert list(files_of(media)) == ["documents/share_link_bundles/2026/abc.zip"]
    expected, there = rows_of(small_paperless.database), rows_of(database)
    assert {name for name in expected if expected[name] != there[name]} == {"paperless_mail_mailaccount"}


@pytest.mark.long
def test_of_rows_that_a_constraint_of_some_rows_forbids_the_last_comes_back(
    small_paperless: SmallPaperless, tmp_path: Path
) -> None:
    path = small_paperless.export(tmp_path / "export", version="3.0.5", data_only=True)
    rows = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (tag,) = (row for row in rows if row["model"] == "documents.tag" and row["fields"]["parent"] is None)
    rows.append(tag | {"pk": 9_000})
    (path / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")

    made, database, _ = come_back(small_paperless, path, tmp_path)

    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT id FROM documents_tag WHERE name = ?", (tag["fields"]["name"],)).fetchall()
    assert found == [(9_000,)]
    assert made.left_out is not None
    listed = [json.loads(line) for line in made.left_out.read_text(encoding="utf-8").splitlines()]
    assert [one["why"] for one in listed if (one["model"].lower(), one["pk"]) == ("documents.tag", tag["pk"])] == [
        "documents_tag_name_uniq forbids it beside a later row"
    ]


@pytest.mark.long
def test_rows_with_a_key_of_several_columns_come_back(small_paperless: SmallPaperless, tmp_path: Path) -> None:
    path = small_paperless.export(tmp_path / "export", version="3.0.5")
    rows = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    number = next(row["pk"] for row in rows if row["model"] == "documents.document")
    rows.append({"model": "documents.documentpage", "pk": [number, 1], "fields": {"document": number, "page": 1}})
    (path / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")

    made, database, _ = come_back(small_paperless, path, tmp_path)

    assert not made.losses
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT document_id, page FROM documents_documentpage").fetchall() == [(number, 1)]
