"""The acceptance commands of the shipped profiles: they pass on a healthy copy, and fail on one that is not."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.drill_settings import DrillSettings, words_of
from edms_tasks.inventory.run_probe import EdmsCopy, run_on_copy
from flows.drill import drill
from flows.drilling.acceptance import name_of
from flows.initialising.profiles import Profile, all_profiles, find_profile
from flows.requests import DrillRequest
from flows.running.run import Run
from tests.backed_up import BackedUpSystems
from tests.running import Protected

REFERENCE = DrillSettings(**find_profile("reference-edms").values["drill"])


@pytest.mark.parametrize("profile", all_profiles(), ids=lambda profile: profile.name)
def test_every_profile_brings_a_check_a_login_and_files_that_are_opened(profile: Profile) -> None:
    commands = DrillSettings(**profile.values["drill"]).commands
    names = [name_of(command) for command in commands]

    assert names[0] == "check"
    assert any("login" in name for name in names)
    assert any("opened" in name and "checksums" in name for name in names)
    for command in commands[1:]:
        assert words_of(command)[0] == "-c"
        compile(words_of(command)[1], name_of(command), "exec")


@pytest.mark.long  # other acceptance commands are run in test_drill
def test_those_of_the_reference_edms_pass_on_its_snapshot(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite").protected
    settings = protected.settings.model_copy(update={"drill": REFERENCE})

    result = drill.fn(Run(settings), DrillRequest())

    assert result.problems == ()
    assert result.restored.drill is not None
    outputs = {one.name: one.output for one in result.restored.drill.commands}
    assert len(outputs) == 4
    assert any(text.endswith("documents opened") and int(text.split()[0]) > 0 for text in outputs.values())


def test_those_of_the_reference_edms_fail_on_what_is_not_right(backed_up: BackedUpSystems, tmp_path: Path) -> None:
    protected = backed_up("sqlite").protected
    copy = _copy(protected, tmp_path)
    _, search, files, workflow = REFERENCE.commands
    for path in [path for path in (tmp_path / "media" / "documents").rglob("*") if path.is_file()]:
        path.write_bytes(b"another document")
    with closing(sqlite3.connect(copy.database)) as connection, connection:
        connection.execute("DELETE FROM workflows_documentstate WHERE code = 'in_review'")
        connection.execute("UPDATE documents_document SET status = 'draft'")

    failed = [run_on_copy(protected.settings, words_of(one), copy, seconds=60) for one in (files, workflow)]
    with closing(sqlite3.connect(copy.database)) as connection, connection:
        connection.execute("DROP TABLE django_session")
    failed.append(run_on_copy(protected.settings, words_of(search), copy, seconds=60))

    assert [one.returncode for one in failed] == [1, 1, 1]
    assert "AssertionError" in failed[0].stderr


def _copy(protected: Protected, folder: Path) -> EdmsCopy:
    database = folder / "copy.sqlite3"
    shutil.copy(protected.edms.database_path, database)
    shutil.copytree(protected.edms.media, folder / "media")
    return EdmsCopy(str(database), ((str(protected.edms.media), str(folder / "media")),))
