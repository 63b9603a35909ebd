"""Ids shifted at random between two systems: after a merge every reference, of every kind, leads to what it led to."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.merge import MergeResult
from tests.reference_system import Engine
from tests.running import run_merge
from tests.soft.paper_archive import PaperArchive, paper_archive

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

ORPHAN = "nowhere"


@dataclass(frozen=True)
class System:
    """What one system holds: documents by number, and rules that point at ids (some of which no document has)."""

    documents: dict[str, int]
    content_type: int
    rules: dict[str, tuple[int, int]]


@st.composite
def two_systems(draw: st.DrawFn) -> tuple[System, System]:
    """The snapshot's and the target's, whose ids collide as often as they can."""
    few = st.integers(1, 12)

    def system(numbers: Sequence[str], codes: Sequence[str]) -> System:
        ids = draw(st.lists(few, min_size=len(numbers), max_size=len(numbers), unique=True))
        rules = {code: (draw(few), draw(few)) for code in codes}
        return System(dict(zip(numbers, ids, strict=True)), draw(st.integers(50, 60)), rules)

    return (
        system(["A", "B", "C", "D"], ["r1", "r2", "r3", "r4"]),
        system(["C", "D", "E", "F"], ["own1", "own2", "own3"]),
    )


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PaperArchive:
    """One EDMS, whose rows and files each example replaces."""
    engine: Engine = request.param
    url = None
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database("every_kind_of_reference")
    return paper_archive(tmp_path_factory.mktemp("archive"), {"A": 1}, url)


GENERATED = settings(
    max_examples=2, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.long  # of systems with more kinds of rows, the same is asked in the zoo's test_merges
@GENERATED
@given(systems=two_systems())
def test_every_kind_of_reference_leads_to_the_same_row_after_a_merge(
    archive: PaperArchive, systems: tuple[System, System]
) -> None:
    every_reference_leads_to_what_it_led_to(archive, *systems)


@pytest.mark.long
@settings(GENERATED, max_examples=8)
@given(systems=two_systems())
def test_every_kind_of_reference_of_many_random_systems_leads_to_the_same_row(
    archive: PaperArchive, systems: tuple[System, System]
) -> None:
    every_reference_leads_to_what_it_led_to(archive, *systems)


def every_reference_leads_to_what_it_led_to(archive: PaperArchive, source: System, target: System) -> None:
    fill(archive, source)
    meant, shown = meanings(archive), files(archive)
    snapshot = archive.backup().snapshot_id
    fill(archive, target)
    meant_there, shown_there = meanings(archive), files(archive)

    result = merge(archive, snapshot)

    assert result.plan.conflicts == ()
    assert result.done
    # What the target alone holds is as it was; for rows and files of both, the snapshot is right.
    assert meanings(archive) == {**meant_there, **meant}
    assert files(archive) == {**shown_there, **shown}
    assert merge(archive, snapshot, dry_run=True).plan.writes == 0


def merge(archive: PaperArchive, snapshot: str, *, dry_run: bool = False) -> MergeResult:
    return run_merge(archive.settings, snapshot=snapshot, dry_run=dry_run)


def fill(archive: PaperArchive, system: System) -> None:
    """Replace all rows and files."""
    rows = [rule(code, one, other, system) for code, (one, other) in system.rules.items()]
    execute(
        archive,
        "DELETE FROM small_rule",
        "DELETE FROM small_document",
        "DELETE FROM auth_permission",
        "DELETE FROM django_content_type",
        (
            "INSERT INTO django_content_type (id, app_label, model) VALUES (?, ?, ?)",
            [(system.content_type, "small", "document"), (system.content_type + 20, "small", "rule")],
        ),
        (
            "INSERT INTO small_document (id, number) VALUES (?, ?)",
            [(one, number) for number, one in system.documents.items()],
        ),
        (
            "INSERT INTO small_rule (id, code, document_ref, document_list, payload, state, label, about_type_id, about_pk, "
            "attachment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
            [(position, *row) for position, row in enumerate(rows, 1)],
        ),
    )
    folder = archive.media / "thumbnails"
    for old in folder.iterdir():
        old.unlink()
    for number, one in system.documents.items():
        (folder / f"{one:07}.webp").write_bytes(f"picture of {number}".encode())


def rule(code: str, one: int, other: int, system: System) -> tuple[Any, ...]:
    payload = {"document_ids": [one, str(other)], "by_document": {str(other): {"n": 1}}, "kept": [one]}
    state = f'{{"parent" :  {{"id": {one}}},\n "step":3.10, "ünicode": "\\u00fc"}}'
    return (
        code, one, f"{one}, {other} ,", json.dumps(payload), state, f"see document_{one}, not document_{other}!",
        system.content_type, str(other),
    )  # fmt: skip


def meanings(archive: PaperArchive) -> dict[str, Any]:
    """What each rule says, with the numbers of documents in place of ids; in plain Python."""
    documents = dict(query(archive, "SELECT id, number FROM small_document"))
    kinds = dict(query(archive, "SELECT id, model FROM django_content_type"))

    def named(text: object) -> str:
        return str(documents.get(int(str(text)), ORPHAN))

    said = {}
    columns = "code, document_ref, document_list, payload, state, label, about_type_id, about_pk"
    for code, ref, listed, payload, state, label, kind, about in query(archive, f"SELECT {columns} FROM small_rule"):
        held = payload if isinstance(payload, dict) else json.loads(payload)
        said[code] = (
            named(ref),
            re.sub(r"\d+", lambda found: named(found[0]), listed),
            [named(one) for one in held["document_ids"]],
            [type(one).__name__ for one in held["document_ids"]],
            [named(one) for one in held["by_document"]],
            len(held.get("kept", ())),
            re.sub(r'"id": (\d+)', lambda found: f"<{named(found[1])}>", state),
            re.sub(r"document_(\d+)", lambda found: f"<{named(found[1])}>", label),
            (kinds[kind], named(about)),
        )
    return said


def files(archive: PaperArchive) -> dict[str, bytes]:
    """The picture of each document, by its number."""
    documents = {int(one): number for one, number in query(archive, "SELECT id, number FROM small_document")}
    return {
        documents.get(int(path.stem), path.name): path.read_bytes()
        for path in sorted((archive.media / "thumbnails").iterdir())
    }


def execute(archive: PaperArchive, *statements: str | tuple[str, list[tuple[Any, ...]]]) -> None:
    for statement in statements:
        text, rows = (statement, None) if isinstance(statement, str) else statement
        if archive.address.engine == "sqlite":
            with closing(sqlite3.connect(archive.address.name)) as lite:
                lite.execute(text) if rows is None else lite.executemany(text, rows)
                lite.commit()
        else:
            with psycopg.connect(archive.address.url()) as connection, connection.cursor() as cursor:
                text = text.replace("?", "%s")
                cursor.execute(text.encode()) if rows is None else cursor.executemany(text.encode(), rows)


def query(archive: PaperArchive, text: str) -> list[tuple[Any, ...]]:
    if archive.address.engine == "sqlite":
        with closing(sqlite3.connect(archive.address.name)) as lite:
            return lite.execute(text).fetchall()
    with psycopg.connect(archive.address.url()) as connection:
        return connection.execute(text.encode()).fetchall()
