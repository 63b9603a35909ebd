"""The EDMS cannot be asked or backed up as it is, or the snapshot or repository does not exist."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from edms_tasks import errors
from tests.bad_input.backed_up_system import (
    ENGINES,
    PYTHON,
    BackedUp,
    refused,
)
from tests.direct_access import execute
from tests.independent_comparison import differences, picture
from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import protect


class Mistake(NamedTuple):
    """A mistake in the settings, and what the error must speak of."""

    old: str
    new: str
    named: str


MISTAKES = {
    "an interpreter that is not there": Mistake(PYTHON, 'python = "/nowhere/bin/python"', "/nowhere/bin/python"),
    "an interpreter that is none": Mistake(PYTHON, 'python = "/bin/false"', "exit code 1"),
    "settings that do not exist": Mistake("config.settings", "config.setings", "config.setings"),
    "settings that fail": Mistake('"sqlite:///', '"oracle:///', "REFERENCE_EDMS_DATABASE starts with"),
    "a project that is not there": Mistake(
        'project = "', 'project = "/nowhere', "The EDMS's project folder does not exist."
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_an_edms_that_cannot_be_imported_is_refused(mistake: Mistake, on_sqlite: BackedUp, tmp_path: Path) -> None:
    mistaken = on_sqlite.with_settings(tmp_path, (mistake.old, mistake.new))

    error = refused(errors.EdmsNotImportable, mistaken.backup)
    also = refused(errors.EdmsNotImportable, mistaken.restore)

    assert mistake.named in str(error)
    assert "EDMS_BACKUP__RESTORE__DATABASE" in also.fix, "the way out of a disaster must be shown"
    assert error.exit_code == 2 and error.fix


def test_an_interpreter_without_django_is_named(on_sqlite: BackedUp, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    # -S: without the site-packages, so without Django.
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)

    error = refused(errors.EdmsNotImportable, on_sqlite.with_settings(tmp_path, (PYTHON, f'python = "{bare}"')).backup)

    assert "no Django" in error.what and str(bare) in error.where
    assert "[edms] python" in error.fix


def test_an_unsupported_engine_is_refused(on_sqlite: BackedUp, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(on_sqlite.edms.project, project, ignore=shutil.ignore_patterns("__pycache__", "var"))
    backend = project / "some_engine"
    backend.mkdir()
    (backend / "__init__.py").touch()
    # Django's own MySQL backend needs a driver; what matters is the word by which an engine calls itself.
    (backend / "base.py").write_text(
        "from django.db.backends.sqlite3 import base\n"
        "class DatabaseWrapper(base.DatabaseWrapper):\n"
        "    vendor = 'mysql'\n"
    )
    with (project / "config" / "settings.py").open("a") as settings:
        settings.write("\nDATABASES['default']['ENGINE'] = 'some_engine'\n")
    mistaken = on_sqlite.with_settings(tmp_path, (str(on_sqlite.edms.project), str(project)))

    for command in (mistaken.backup, mistaken.restore):
        error = refused(errors.UnsupportedEngine, command)
        assert "mysql" in error.what and "PostgreSQL and SQLite" in error.fix
        assert error.exit_code == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_backup_is_refused_while_migrations_are_unapplied(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    protected = protect(edms_factory(engine), tmp_path)
    execute(protected.edms, "DELETE FROM django_migrations WHERE app = 'placeholders' AND name LIKE '0002%'")
    before = picture(protected.edms)

    error = refused(errors.UnappliedMigrations, protected.backup)

    assert "placeholders.0002_default_placeholders" in error.why
    assert "migrate" in error.fix and 'unapplied_migrations = "record"' in error.fix
    assert differences(before, picture(protected.edms)) == []
    assert not protected.repository.exists()


def test_an_empty_database_is_named_with_the_way_back(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory("sqlite"), tmp_path)
    path = Path(protected.edms.database_url.removeprefix("sqlite:///"))
    path.unlink()
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE of_something_else (a)")

    error = refused(errors.UnappliedMigrations, protected.backup)

    assert "empty" in error.what
    assert "restore latest" in error.fix


def test_an_unknown_snapshot_is_refused_with_the_closest_name(system: BackedUp) -> None:
    known = next(path.stem for path in (system.protected.repository / "snapshots").iterdir())
    almost = known[:11] + ("0" if known[11] != "0" else "1")

    error = refused(errors.UnknownSnapshot, lambda: system.protected.restore(almost))
    also = refused(errors.UnknownSnapshot, lambda: system.protected.verify(almost))

    assert f"Did you mean `{known[:12]}`?" in error.fix
    assert also.exit_code == 2


def test_a_restore_without_a_repository_is_refused(system: BackedUp, tmp_path: Path) -> None:
    elsewhere = system.with_settings(
        tmp_path, (f'url = "{system.protected.repository}"', f'url = "{tmp_path / "nothing here"}"')
    )

    error = refused(errors.SettingsError, elsewhere.restore)

    assert "no repository" in error.what and "[repository] url" in error.fix
    assert not (tmp_path / "nothing here").exists()


def test_each_of_these_errors_has_a_code_of_its_own() -> None:
    kinds = (
        errors.EdmsNotImportable,
        errors.DatabaseRefused,
        errors.MayNotCreateDatabases,
        errors.UnappliedMigrations,
        errors.UnknownSnapshot,
        errors.NoSpace,
        errors.UnsupportedEngine,
        errors.TargetInUse,
        errors.TargetExists,
        errors.ToolMissing,
        errors.SettingsError,
        errors.CommandError,
    )

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert {kind.exit_code for kind in kinds} == {2, 3}
