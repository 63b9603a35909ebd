"""The validation of a restored database: what is right passes, every damage is caught and named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from pydantic import SecretStr

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import DatabaseRefused
from edms_tasks.validate import assess, validate_restored
from edms_tasks.validation_result import CheckResult, SuiteResult, ValidationResult
from tests.expectations.small_edms import PERSON, FoundFiles, create, manifest, states, states_of_equal_rows

Restored = Callable[..., str]


@pytest.fixture(params=["sqlite", "postgresql"])
def restored(request: pytest.FixtureRequest, tmp_path: Path) -> Restored:
    """Make the small EDMS's restored database, damaged by the statements given; returns its URL."""
    if request.param == "sqlite":
        return lambda *damage: create(f"sqlite:///{tmp_path}/restored.sqlite3", *damage)
    address = DatabaseAddress.from_url(request.getfixturevalue("postgres_database"))
    return lambda *damage: create(address.sqlalchemy_url(), *damage)


def failed_checks(result: ValidationResult) -> set[str]:
    return {f"{failure.subject} | {failure.check}" for failure in result.failures}


def test_an_equal_restore_passes(restored: Restored, tmp_path: Path) -> None:
    result = validate_restored(manifest(), states(), [FoundFiles()], restored(), tmp_path / "reports")

    assert failed_checks(result) == set()
    assert result.success
    assert {suite.subject for suite in result.suites} == {e.table.id for e in manifest().tables} | {"digests", "files"}
    assert all(suite.evaluated == len(suite.checks) > 0 for suite in result.suites)


# What is done together, and what is then named: no two of a group can be told from each other's findings.
DAMAGES = (
    {
        "DELETE FROM doc_readers WHERE id = 3": "documents.Document_readers | rows",
        'INSERT INTO "select" VALUES (9, 1, 2, 20)': "documents.Version | natural key (document_id.number, major)",
        "UPDATE doc SET author_id = 1 WHERE author_id = 77": "documents.Document | foreign reference author_id",
        "UPDATE audit SET object_id = '98' WHERE id = 1": "audit.AuditTrail | generic reference content_object",
    },
    {
        "UPDATE doc SET number = 'SOP-4' WHERE number IS NULL": "documents.Document | natural key (number)",
        "UPDATE doc_readers SET person_id = 98 WHERE id = 1": "documents.Document_readers | many-to-many reference person_id",
        "UPDATE audit SET object_id = '1' WHERE id = 4": "audit.AuditTrail | generic reference content_object",
    },
    {
        "UPDATE doc SET number = NULL WHERE number = 'SOP-3'": "documents.Document | natural key (number)",
        'UPDATE "select" SET document_id = 99 WHERE id = 1': "documents.Version | foreign reference document_id",
        "UPDATE audit SET kind_id = 3 WHERE id = 3": "audit.AuditTrail | generic reference content_object",
    },
)


@pytest.mark.parametrize("group", DAMAGES, ids=["first", "second", "third"])
def test_damages_in_the_database_are_all_caught_and_named(
    restored: Restored, tmp_path: Path, group: dict[str, str]
) -> None:
    result = validate_restored(manifest(), states(), [FoundFiles()], restored(*group), tmp_path / "reports")

    assert not result.success
    assert set(group.values()) - failed_checks(result) == set()


@pytest.mark.long
@pytest.mark.parametrize(("damage", "named"), [one for group in DAMAGES for one in group.items()])
def test_each_damage_in_the_database_is_caught_and_named(
    restored: Restored, tmp_path: Path, damage: str, named: str
) -> None:
    result = validate_restored(manifest(), states(), [FoundFiles()], restored(damage), tmp_path / "reports")

    assert not result.success
    assert named in failed_checks(result)


def test_a_null_in_a_required_column_is_named_by_its_column(tmp_path: Path) -> None:
    rebuilt = (
        "CREATE TABLE loose (id integer PRIMARY KEY, document_id integer, major integer, size integer)",
        'INSERT INTO loose SELECT id, document_id, NULL, size FROM "select"',
        'DROP TABLE "select"',
        'ALTER TABLE loose RENAME TO "select"',
    )
    url = create(f"sqlite:///{tmp_path}/restored.sqlite3", *rebuilt)

    result = validate_restored(manifest(), states(), [FoundFiles()], url, tmp_path / "reports")

    failure = next(f for f in result.failures if f.check == "required columns")
    assert failure.subject == "documents.Version"
    assert "NULLs in major: 3" in failure.message


@pytest.mark.parametrize(("digest", "named"), [("fingerprint", "proof"), ("content_digest", "content digest")])
def test_a_digest_that_differs_is_caught_and_named(sqlite: str, tmp_path: Path, digest: str, named: str) -> None:
    measured = states(doc={digest: "0" * 32})

    result = validate_restored(manifest(), measured, [FoundFiles()], sqlite, tmp_path / "reports")

    assert failed_checks(result) == {f"digests | documents.Document: {named}"}


def test_no_expectation_is_made_for_what_was_not_measured(sqlite: str, tmp_path: Path) -> None:
    result = validate_restored(manifest(), states_of_equal_rows(), [FoundFiles()], sqlite, tmp_path / "reports")

    assert result.success
    digests = next(suite for suite in result.suites if suite.subject == "digests")
    assert {check.name.rpartition(": ")[2] for check in digests.checks} == {"tables", "proof"}
    evidence = "".join(path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file())
    assert not any(str(entry.state.content_digest) in evidence for entry in manifest().tables)


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (FoundFiles(missing=("SOP-1.pdf",), found=2), "SOP-1.pdf"),
        (FoundFiles(altered=("SOP-2.pdf",)), "SOP-2.pdf"),
        (FoundFiles(unexpected=("new.txt",), found=4), "new.txt"),
        (FoundFiles(found_digest="0" * 32), "0" * 32),
    ],
)
def test_a_file_that_differs_is_caught_and_named(sqlite: str, tmp_path: Path, check: FoundFiles, named: str) -> None:
    result = validate_restored(manifest(), states(), [check], sqlite, tmp_path / "reports")

    assert not result.success
    assert any(failure.subject == "files" and named in failure.message for failure in result.failures)


def test_a_table_that_was_not_measured_fails(sqlite: str, tmp_path: Path) -> None:
    measured = states()
    del measured["doc"]

    result = validate_restored(manifest(), measured, [FoundFiles()], sqlite, tmp_path / "reports")

    assert "documents.Document | digest" in failed_checks(result)
    assert "digests | documents.Document: proof" in failed_checks(result)


def test_a_table_nobody_expected_fails(sqlite: str, tmp_path: Path) -> None:
    measured = states() | {"intruder": states()["doc"]}

    result = validate_restored(manifest(), measured, [FoundFiles()], sqlite, tmp_path / "reports")

    assert "intruder | table" in failed_checks(result)


def test_an_expectation_that_cannot_be_evaluated_fails_and_is_reported_apart(
    restored: Restored, tmp_path: Path
) -> None:
    url = restored("DROP TABLE doc_readers")

    result = validate_restored(manifest(), states(), [FoundFiles()], url, tmp_path / "reports")

    suite = next(suite for suite in result.suites if suite.subject == "doc_readers")
    assert (suite.evaluated, suite.passed, suite.errored) == (0, 0, len(suite.checks))
    assert all(check.errored and not check.success for check in suite.checks)
    assert "documents.Document_readers | suite" in failed_checks(result)


@pytest.mark.parametrize("name", ["documents.Document_readers.person_id", "DOC_READERS.person_id"])
def test_an_error_about_a_table_with_sensitive_columns_is_not_quoted(
    name: str, sqlite_without_readers: str, tmp_path: Path
) -> None:
    result = validate_restored(
        manifest(),
        states(),
        [FoundFiles()],
        sqlite_without_readers,
        tmp_path / "reports",
        sensitive=(name,),
    )

    messages = [f.message for f in result.failures if f.subject == "documents.Document_readers"]
    assert messages
    assert not any("no such table" in message for message in messages)


def test_a_folder_that_was_not_checked_fails(sqlite: str, tmp_path: Path) -> None:
    result = validate_restored(manifest(), states(), [], sqlite, tmp_path / "reports")

    assert "media | files" in failed_checks(result)


def test_a_suite_that_evaluated_nothing_fails() -> None:
    suites = [*(_passing(entry.table.id) for entry in manifest().tables), _passing("digests")]
    nothing = SuiteResult("files", "files", evaluated=0, passed=0, errored=0, checks=())

    failures = assess(manifest(), states(), [FoundFiles()], [*suites, nothing])

    assert [(f.subject, f.message) for f in failures] == [("files", "the suite evaluated nothing")]


def test_a_table_without_a_suite_fails() -> None:
    names = [entry.table.id for entry in manifest().tables if entry.table.id != PERSON]
    suites = [_passing(name) for name in (*names, "digests", "files")]

    failures = assess(manifest(), states(), [FoundFiles()], suites)

    assert [(f.subject, f.message) for f in failures] == [("people.Person", "no suite was evaluated for it")]


def test_a_snapshot_without_tables_proves_nothing(sqlite: str, tmp_path: Path) -> None:
    empty = manifest().model_copy(update={"tables": ()})

    result = validate_restored(empty, {}, [FoundFiles()], sqlite, tmp_path / "reports")

    assert not result.success


def test_a_database_that_does_not_answer_is_its_own_error(tmp_path: Path) -> None:
    url = "postgresql+psycopg://edms:hunter2secret@127.0.0.1:1/nothing"

    with pytest.raises(DatabaseRefused) as refused:
        validate_restored(manifest(), states(), [FoundFiles()], url, tmp_path / "reports")

    assert "hunter2secret" not in str(refused.value)


def test_no_password_is_written_and_no_connection_stays_open(postgres_database: str, tmp_path: Path) -> None:
    address = DatabaseAddress.from_url(postgres_database)
    secret = "pa$$wo%rd:{x}"  # what an address must survive: substitutions, formats, URL syntax
    role = f"role_{address.name}"[:60]
    with psycopg.connect(address.url(), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE \"{role}\" LOGIN SUPERUSER PASSWORD '{secret}'")
        try:
            create(address.sqlalchemy_url())
            login = replace(address, user=role, password=SecretStr(secret)).sqlalchemy_url()
            result = validate_restored(manifest(), states(), [FoundFiles()], login, tmp_path / "reports")
            others = owner.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        finally:
            owner.execute(f'DROP ROLE "{role}"')

    assert result.success
    assert others == (0,)
    written = [path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert written
    assert not any(secret in text or quote(secret, safe="") in text for text in written)


def test_importing_the_validation_does_not_import_great_expectations() -> None:
    code = "import sys, edms_tasks.validate; sys.exit('great_expectations' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of an undamaged restored database."""
    return create(f"sqlite:///{tmp_path}/restored.sqlite3")


@pytest.fixture
def sqlite_without_readers(tmp_path: Path) -> str:
    """The URL of a restored database that lacks a table."""
    return create(f"sqlite:///{tmp_path}/restored.sqlite3", "DROP TABLE doc_readers")


def _passing(subject: str) -> SuiteResult:
    check = CheckResult("rows", "", True, False, "1", "1", "as expected")
    return SuiteResult(subject, subject, evaluated=1, passed=1, errored=0, checks=(check,))
