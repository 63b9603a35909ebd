"""No merge that ends proved has a wrong reference or a lost file: random systems with a trait of every kind, said by a script of its own.

One example of each, with rows of every kind, the same in every run, and more in `make test-long`: `EDMS_ZOO_EXAMPLES=1000 pytest -m long
tests/zoo/test_merges.py` draws so many new ones and cuts a failing one down to its core.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings, settings_from
from flows.merge import MergeResult
from tests.inventory.small_project import small_project
from tests.postgres_server import PostgresServer
from tests.running import run_backup, run_merge
from tests.zoo.how_many_examples import as_many_as, at_length
from tests.zoo.merged_systems import DECLARED, DERIVED, MODELS, SETTINGS, TELLING, TREES, Rows, systems
from tests.zoo.references_by_hand import Said, said_in
from tests.zoo.written_systems import Place, fill

PAIRS = st.tuples(systems(dangling=True), systems(dangling=False))
FULL_PAIRS = st.tuples(systems(dangling=True, full=True), systems(dangling=False, full=True))
CLOSED_PAIRS = st.tuples(systems(dangling=False), systems(dangling=False))
FULL_CLOSED_PAIRS = st.tuples(systems(dangling=False, full=True), systems(dangling=False, full=True))


@dataclass(frozen=True, repr=False)
class Site:
    """The EDMS in which the two systems are made one after the other."""

    place: Place
    folder: Path
    edms: dict[str, Any]

    def settings(self, *undeclared: str) -> Settings:
        return settings_from(
            {
                "edms": self.edms,
                "repository": {"url": str(self.folder / "repository")},
                "workdir": str(self.folder / "work"),
                "validate": {"django_check": False},
                "files": {"roots": {"media": str(self.place.media), "scans": str(self.place.scans)}},
                "derived": {"columns": DERIVED},
                "soft_references": [copy.deepcopy(one) for name, one in DECLARED.items() if name not in undeclared],
            },
            where=self.folder / "edms-backup.toml",
        )

    def said(self) -> Said:
        return said_in(self.place.database, self.place.media, self.place.scans)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with _made(tmp_path_factory.mktemp("merges"), SETTINGS) as site:
        yield site


@pytest.fixture(scope="module")
def site_on_a_server(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Site]:
    url = postgres_server.create_database("zoo_merges")
    login = conninfo_to_dict(url)
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": login["dbname"]}
    database |= {name.upper(): login[name] for name in ("user", "password", "host", "port")}
    # Its tables are made without migrations, which would come before those that they refer to.
    own = f'{SETTINGS}\nDATABASES["default"] = {database!r}\nMIGRATION_MODULES = {{"auth": None, "contenttypes": None}}'
    with _made(tmp_path_factory.mktemp("merges"), own, url) as site:
        yield site
    postgres_server.drop_databases("zoo_merges")


@contextmanager
def _made(folder: Path, its_settings: str, server: str = "") -> Iterator[Site]:
    project = small_project(folder / "project", MODELS, settings=its_settings)
    site = Site(Place(folder / "project", server), folder, project.edms.model_dump())
    answers: list[ProbeReport] = []

    def probe(settings: Settings) -> ProbeReport:
        # The EDMS's code and schema stay as they are, whatever is declared.
        if not answers:
            answers.append(run_probe(settings))
        return answers[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.running.run.run_probe", probe)
        yield site


def _merged(site: Site, pair: tuple[Rows, Rows], declared: Settings, **options: Any) -> tuple[MergeResult, Said, Said]:
    """Back up the first system, make the second, merge; returns the result and what each of the two said."""
    here, there = pair
    shutil.rmtree(site.folder / "repository", ignore_errors=True)
    shutil.rmtree(site.folder / "work", ignore_errors=True)
    fill(site.place, here, "A")
    mine = site.said()
    snapshot = run_backup(declared).snapshot_id
    fill(site.place, there, "B")
    theirs = site.said()
    result = run_merge(declared, snapshot=snapshot, **options)
    note(f"conflicts: {[(one.code, one.model, one.examples) for one in result.plan.conflicts]}")
    return result, mine, theirs


def _require_right(site: Site, mine: Said, theirs: Said) -> None:
    """Every row says what it said in its own system; where both have it, what the snapshot says."""
    now = site.said()
    for model, rows in mine.items():
        assert set(now[model]) == set(rows) | set(theirs[model]), model
        for name, row in now[model].items():
            wanted = dict(rows[name] if name in rows else theirs[model][name])
            if model == "document" and name in rows and name in theirs[model]:
                # Files of a row stay where the snapshot has none in their place.
                was = theirs[model][name]
                wanted["thumb"] = wanted["thumb"] or was["thumb"]
                wanted["pictures"] = was["pictures"] | wanted["pictures"]
                wanted["tags"] = sorted({*wanted["tags"], *was["tags"]})
            if model == "category":
                # What the EDMS computes stays, and is empty in new rows until it is computed.
                wanted["above"] = theirs[model][name]["above"] if name in theirs[model] else ""
            assert row == wanted, (model, name)
    assert all(row["sound"] for model in TREES for row in now[model].values())
    assert (site.place.media / "logo.txt").read_text(encoding="utf-8") == "the same everywhere"


def _everything_declared(site: Site, pair: tuple[Rows, Rows]) -> None:
    declared = site.settings()

    result, mine, theirs = _merged(site, pair, declared, rename_files=True)

    assert result.done, result.plan.conflicts
    _require_right(site, mine, theirs)
    assert run_merge(declared, snapshot="latest", rename_files=True, dry_run=True).plan.writes == 0


def _something_undeclared(site: Site, pair: tuple[Rows, Rows], undeclared: list[str], *, rename_files: bool) -> None:
    result, mine, theirs = _merged(site, pair, site.settings(*undeclared), rename_files=rename_files)

    if result.done:
        _require_right(site, mine, theirs)
    else:
        assert result.plan.conflicts
        assert site.said() == theirs


UNDECLARED = st.lists(st.sampled_from(TELLING), min_size=1, max_size=2, unique=True)


@as_many_as(1)
@given(pair=FULL_PAIRS)
def test_what_is_declared_leads_to_the_same_rows(site: Site, pair: tuple[Rows, Rows]) -> None:
    _everything_declared(site, pair)


@pytest.mark.long
@as_many_as(1)
@given(pair=FULL_CLOSED_PAIRS, undeclared=UNDECLARED, rename_files=st.booleans())
def test_what_is_not_declared_is_a_conflict_or_right(
    site: Site, pair: tuple[Rows, Rows], undeclared: list[str], rename_files: bool
) -> None:
    _something_undeclared(site, pair, undeclared, rename_files=rename_files)


@at_length(60)
@given(pair=PAIRS)
def test_what_is_declared_leads_to_the_same_rows_in_many_systems(site: Site, pair: tuple[Rows, Rows]) -> None:
    _everything_declared(site, pair)


@at_length(60)
@given(pair=CLOSED_PAIRS, undeclared=UNDECLARED, rename_files=st.booleans())
def test_what_is_not_declared_is_a_conflict_or_right_in_many_systems(
    site: Site, pair: tuple[Rows, Rows], undeclared: list[str], rename_files: bool
) -> None:
    _something_undeclared(site, pair, undeclared, rename_files=rename_files)


@at_length(20)
@given(pair=PAIRS)
def test_what_is_declared_leads_to_the_same_rows_on_a_server(site_on_a_server: Site, pair: tuple[Rows, Rows]) -> None:
    _everything_declared(site_on_a_server, pair)


@at_length(20)
@given(pair=CLOSED_PAIRS, undeclared=UNDECLARED, rename_files=st.booleans())
def test_what_is_not_declared_is_a_conflict_or_right_on_a_server(
    site_on_a_server: Site, pair: tuple[Rows, Rows], undeclared: list[str], rename_files: bool
) -> None:
    _something_undeclared(site_on_a_server, pair, undeclared, rename_files=rename_files)
