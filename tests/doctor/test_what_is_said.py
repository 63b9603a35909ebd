"""An EDMS with an ailment of every kind: all of them are said, with their counts, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.doctor.conftest import Ailing

# (severity, code, subject) -> counts; two assessments of one subject have two.
SAID = {
    ("error", "dangling-reference", "small.Entry.log_id"): [2],
    ("warning", "natural-key-duplicates", "small.Badge"): [2],
    ("warning", "lookup-missing", "small.Badge"): [1],
    ("warning", "missing-file", "small.Document.file"): [1],
    ("warning", "missing-file", "small.Document.archive"): [1],
    ("error", "files-outside-the-roots", "small.Document.scan"): [10],
    ("warning", "secret-in-clear", "small.ApiKey.key"): [1],
    ("warning", "secret-in-clear", "small.Badge.access_key"): [3],
    ("warning", "secret-in-clear", "small.Clerk.api_token"): [1],
    ("warning", "secret-in-clear", "small.Clerk.note"): [1],
    ("warning", "secret-in-clear", "small.Clerk.password"): [1],
    ("warning", "secret-in-clear", "small.Clerk.secret"): [1],
    ("warning", "secret-in-clear", "small.Mailbox.settings"): [1],
    ("warning", "secret-in-clear", "sessions.Session.session_key"): [1],
    ("info", "generic-look-alike", "small.Log.content_type + object_id"): [4],
    ("info", "no-natural-key", "django_migrations"): [1],
    ("info", "no-natural-key", "small.Entry"): [1],
    ("info", "no-natural-key", "small.Log"): [1],
    ("info", "no-natural-key", "small.Slip"): [1],
    ("info", "orphan-files", "files of media"): [1],
    ("info", "path-column", "small.Document.archive"): [9],
    ("info", "soft-reference", "small.Slip.document_id"): [200],
    ("info", "soft-reference", "small.Slip.watched"): [200],
    ("info", "soft-reference", "small.Slip.carries"): [200],
    ("info", "soft-reference", "small.Slip.case_ref"): [200],
    ("info", "soft-reference", "small.Slip.payload"): [200, 400],
    ("info", "soft-reference", "small.Slip.state"): [200],
}


def test_every_problem_is_reported_and_nothing_else(ailing: Ailing) -> None:
    said: dict[tuple[str, str, str], list[int]] = {}
    for one in ailing.examined.diagnosis.assessments:
        said.setdefault((one.severity, one.code, one.subject), []).append(one.count)

    assert {what: sorted(counts) for what, counts in said.items()} == SAID


def test_every_finding_has_a_fix_or_needs_none(ailing: Ailing) -> None:
    without = {one.code for one in ailing.examined.diagnosis.assessments if not one.fix}

    assert without <= {"orphan-files", "path-column"}


def test_the_most_severe_findings_come_first(ailing: Ailing) -> None:
    severities = [one.severity for one in ailing.examined.diagnosis.assessments]

    assert severities == sorted(severities, key=["error", "warning", "info"].index)


def test_every_table_gets_a_verdict_on_its_key(ailing: Ailing) -> None:
    verdicts = {verdict.model: verdict for verdict in ailing.examined.diagnosis.keys}
    with closing(sqlite3.connect(ailing.folder / "db.sqlite3")) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()

    assert {verdict.table for verdict in verdicts.values()} == {name for (name,) in tables}
    assert (verdicts["small.Document"].readable, verdicts["small.Document"].why) == ("number", "unique in the database")
    assert (verdicts["small.Case"].readable, verdicts["small.Case"].rows) == ("title", 20)
    assert verdicts["small.Slip"].why == "primary key, because there is no other key"
    compared = min(60, verdicts["auth.Permission"].rows)
    assert verdicts["auth.Permission"].why == f"natural_key(), the same on {compared} rows compared"


@pytest.mark.parametrize(
    ("column", "query", "model"),
    [
        # The shares, counted by SQLite from the columns as they are.
        ("document_id", "SELECT avg(document_id IN (SELECT id FROM small_document)) FROM small_slip", "Document"),
        (
            "case_ref",
            "SELECT avg(replace(case_ref, '-', '') IN (SELECT id FROM small_case)) FROM small_slip",
            "Case",
        ),
        (
            "state",
            "SELECT avg(json_extract(state, '$.parent.document.id') IN (SELECT id FROM small_document)) FROM small_slip",
            "Document",
        ),
    ],
)
def test_a_soft_reference_is_reported_with_the_share_of_ids_that_have_rows(
    ailing: Ailing, column: str, query: str, model: str
) -> None:
    with closing(sqlite3.connect(ailing.folder / "db.sqlite3")) as connection:
        (share,) = connection.execute(query).fetchone()

    message = ailing.said("soft-reference")[f"small.Slip.{column}"].message
    assert f"look like ids of small.{model}: {share:.0%} of the 200 examined are" in message


def test_ids_in_json_are_reported_with_their_path(ailing: Ailing) -> None:
    said = [
        one.message
        for one in ailing.examined.diagnosis.assessments
        if (one.code, one.subject) == ("soft-reference", "small.Slip.payload")
    ]

    assert any("The values at $.document_ids[*]" in message and "small.Document" in message for message in said)
    assert any("The keys at $.cases.*" in message and "small.Case" in message for message in said)


def test_a_look_alike_is_reported_with_the_share_of_ids_that_have_rows(ailing: Ailing) -> None:
    found = ailing.said("generic-look-alike")["small.Log.content_type + object_id"]

    assert "3 of 4 rows (75%) lead to one" in found.message
    assert found.examples == ("small.document 4",)
    assert 'GenericForeignKey("content_type", "object_id")' in found.fix


def test_files_are_reported_by_name(ailing: Ailing) -> None:
    assert ailing.said("missing-file")["small.Document.file"].examples == ("documents/9.pdf",)
    assert ailing.said("orphan-files")["files of media"].examples == ("nobody.txt",)
    assert "90% of its 10 values" in ailing.said("path-column")["small.Document.archive"].message


def test_examples_of_secret_keys_are_not_shown(ailing: Ailing) -> None:
    assert ailing.said("natural-key-duplicates")["small.Badge"].examples == ()
