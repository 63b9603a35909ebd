"""Codes, references of several columns and unique values of every kind meet at random: a merge is right, or its plan says why not.

A few examples, the same in every run, and more in `make test-long`: `EDMS_ZOO_EXAMPLES=1000 pytest -m long tests/zoo/test_value_systems.py`
draws so many new ones per engine and cuts a failing one down to its core.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings, settings_from
from tests.inventory.small_project import small_project
from tests.postgres_server import PostgresServer
from tests.running import run_backup, run_merge
from tests.zoo.how_many_examples import as_many_as, at_length
from tests.zoo.system_database import connected
from tests.zoo.value_systems import KEYS, ValueSystem, fill, make_tables, said, says, together, value_systems

CASES = {"mine": value_systems(), "theirs": value_systems(), "overwrites": st.booleans()}


@dataclass(frozen=True, repr=False)
class Place:
    """Where the two systems live, one after the other."""

    url: str
    folder: Path
    settings: Settings

    @property
    def postgresql(self) -> bool:
        return self.url.startswith("postgresql")

    def fill(self, system: ValueSystem) -> None:
        with connected(self.url) as database:
            fill(database, system, postgresql=self.postgresql)

    def said(self) -> object:
        with connected(self.url) as database:
            return said(database)


@contextmanager
def _made(folder: Path, url: str, its_settings: str) -> Iterator[Place]:
    edms = small_project(folder / "project", "", settings=its_settings).edms.model_dump()
    url = url or f"sqlite:///{folder / 'project' / 'db.sqlite3'}"
    place = Place(
        url,
        folder,
        settings_from(
            {
                "edms": edms,
                "repository": {"url": str(folder / "repository")},
                "workdir": str(folder / "work"),
                "validate": {"django_check": False},
                "natural_keys": KEYS,
            },
            where=folder / "edms-backup.toml",
        ),
    )
    with connected(url) as database:
        make_tables(database, postgresql=place.postgresql)
    answers: list[ProbeReport] = []

    def probe(known: Settings) -> ProbeReport:
        # The EDMS's code and schema stay as they are.
        if not answers:
            answers.append(run_probe(known))
        return answers[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.running.run.run_probe", probe)
        yield place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with _made(tmp_path_factory.mktemp("values"), "", "") as made:
        yield made


@pytest.fixture(scope="module")
def place_on_a_server(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Place]:
    url = postgres_server.create_database("value_systems")
    login = conninfo_to_dict(url)
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": login["dbname"]}
    database |= {name.upper(): login[name] for name in ("user", "password", "host", "port")}
    own = f'DATABASES["default"] = {database!r}\nMIGRATION_MODULES = {{"auth": None, "contenttypes": None}}'
    with _made(tmp_path_factory.mktemp("values"), url, own) as made:
        yield made
    postgres_server.drop_databases("value_systems")


def _right_or_refused_in_the_plan(place: Place, mine: ValueSystem, theirs: ValueSystem, *, overwrites: bool) -> None:
    for name in ("repository", "work"):
        shutil.rmtree(place.folder / name, ignore_errors=True)
    place.fill(mine)
    snapshot = run_backup(place.settings).snapshot_id
    place.fill(theirs)
    options = {"snapshot": snapshot, "on_conflict": "overwrite" if overwrites else "keep"}

    result = run_merge(place.settings, **options)

    note(f"conflicts: {[(one.code, one.model, one.examples) for one in result.plan.conflicts]}")
    expected = together(mine, theirs, overwrites=overwrites)
    assert result.done == (expected is not None)
    if expected is None:
        assert {one.code for one in result.plan.conflicts} <= {"unique", "reference-by-value"}
        assert place.said() == says(theirs)
        return
    assert place.said() == expected
    assert run_merge(place.settings, **options, dry_run=True).plan.writes == 0
    with connected(place.url) as database:  # the next rows of the EDMS have ids of their own
        database.execute("INSERT INTO office (name, code) VALUES ('new', 'new')")
        database.execute("INSERT INTO volume (name) VALUES ('new')")
        database.execute(
            "INSERT INTO shift (name, place, word, motto, lamp, lit) VALUES ('new', 99, 'new', 'new', 99, 1)"
        )


@as_many_as(1)
@given(**CASES)
def test_a_merge_of_values_is_right_or_refused_in_the_plan(
    place: Place, mine: ValueSystem, theirs: ValueSystem, overwrites: bool
) -> None:
    _right_or_refused_in_the_plan(place, mine, theirs, overwrites=overwrites)


@at_length(60)
@given(**CASES)
def test_many_merges_of_values_are_right_or_refused_in_the_plan(
    place: Place, mine: ValueSystem, theirs: ValueSystem, overwrites: bool
) -> None:
    _right_or_refused_in_the_plan(place, mine, theirs, overwrites=overwrites)


@at_length(30)
@given(**CASES)
def test_many_merges_of_values_on_a_server_are_right_or_refused_in_the_plan(
    place_on_a_server: Place, mine: ValueSystem, theirs: ValueSystem, overwrites: bool
) -> None:
    _right_or_refused_in_the_plan(place_on_a_server, mine, theirs, overwrites=overwrites)
