"""A rule masks what it names, or is refused; and what it masks is searched for, in whatever form it was stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import CheckFailed, SettingsError
from edms_tasks.settings import Settings
from flows.restoring.restore_result import RestoreResult
from tests.inventory.small_project import small_system
from tests.running import run_backup, run_restore

pytestmark = [pytest.mark.usefixtures("edms_asked_once")]

DOCUMENTS = (
    '{"owner": {"mail": "grete@oesterwind.example", "age": 5}, "people": [{"name": "Ludmilla Quarkbrodt"}]}',
    '{"owner": {"mail": null}, "people": []}',
    None,
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A system with one backup: documents as JSON, and a column with values of every storage class."""
    folder = tmp_path_factory.mktemp("rules")
    made = small_system(folder, "")
    with closing(sqlite3.connect(folder / "project" / "db.sqlite3")) as lite:
        lite.executescript(
            "CREATE TABLE doc (id integer PRIMARY KEY, about text);"
            "CREATE TABLE empty (id integer PRIMARY KEY, about text);"
            "CREATE TABLE code (id integer PRIMARY KEY, code integer, copied text);"
            "INSERT INTO empty VALUES (1, NULL), (2, '{}'), (3, '[]')"
        )
        lite.executemany("INSERT INTO doc (about) VALUES (?)", ((one,) for one in DOCUMENTS))
        lite.executemany(
            "INSERT INTO code (code, copied) VALUES (?, ?)",
            (
                (5551234567, "number 5551234567"),
                ("Oesterwind", "of Oesterwind"),
                (b"Quarkbrodt", "of Quarkbrodt"),
                (7.5, "free"),
            ),
        )
        lite.execute("INSERT INTO code (code, copied) VALUES (CAST(x'596c6472ff7a' AS TEXT), 'of Yldr\xff' || 'z')")
        lite.commit()
    run_backup(made)
    return made


def masked(settings: Settings, folder: Path, rules: str) -> RestoreResult:
    path = folder / "rules.toml"
    path.write_text(rules, encoding="utf-8")
    return run_restore(settings, snapshot="latest", into=str(folder / "masked.sqlite3"), mask=path)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (
            {"owner.mial": "email"},
            "'owner.mial' leads to nothing in any document of doc.about.*Did you mean 'owner.mail'",
        ),
        ({"Owner.mail": "email"}, "'Owner.mail'.*Did you mean 'owner.mail'"),
        ({"owner.mail": "email", "people.name": "name"}, r"'people.name'.*Did you mean 'people\[\*\].name'"),
        ({"people[7].name": "name"}, r"'people\[7\].name'"),
        ({"xyz": "name"}, "Correct it"),
    ],
)
def test_a_path_that_leads_to_nothing_is_refused(
    settings: Settings, tmp_path: Path, paths: Mapping[str, str], said: str
) -> None:
    rule = ", ".join(f'"{path}" = "{kind}"' for path, kind in paths.items())
    with pytest.raises(SettingsError, match=f"(?s){said}"):
        masked(settings, tmp_path, f'[columns]\n"doc.about" = {{ paths = {{ {rule} }} }}\n')


def test_a_path_of_documents_without_any_text_is_no_mistake(settings: Settings, tmp_path: Path) -> None:
    result = masked(settings, tmp_path, '[columns]\n"empty.about" = { paths = { "owner.mail" = "email" } }\n')
    assert result.success


def test_texts_at_a_path_are_long_enough_for_the_kind_of_that_path(settings: Settings, tmp_path: Path) -> None:
    rules = '[columns]\n"doc.about" = { paths = { "owner.mail" = "email", "people[*].name" = "text" } }\n'
    result = masked(settings, tmp_path, rules + "[search]\nminimum_text_length = 40\n")
    assert result.masking is not None
    assert (result.masking.values, result.masking.too_short) == (1, {"doc.about": 1})


@pytest.mark.parametrize("rule", ['"null"', '{ kind = "constant", value = "gone" }'])
def test_values_of_every_storage_class_are_searched_for(settings: Settings, tmp_path: Path, rule: str) -> None:
    result = masked(settings, tmp_path, f'[columns]\n"code.code" = {rule}\n[search]\nminimum_length = 3\n')
    assert not result.success
    assert any("code.copied" in failure and "4 rows" in failure for failure in result.failures), result.failures


def test_numbers_of_a_column_with_other_values_beside_them_are_refused_by_name(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed, match="4 values are not what the kind 'number' is for"):
        masked(settings, tmp_path, '[columns]\n"code.code" = "number"\n')
