"""Each trait of the zoo comes back byte-equal, is ready for new rows, and is recognised for what it is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edms_tasks.inventory.model import ForeignReference
from tests.independent_comparison import differences, picture_of_postgres, picture_of_sqlite
from tests.reference_system import Engine, LazyPostgres
from tests.zoo.expected import EXPECTED, Says
from tests.zoo.relations import picture_of_relation
from tests.zoo.the_zoo import Belongings, Zoo, open_zoo, trait_names

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")

of_each_trait = pytest.mark.parametrize(
    ("zoo", "trait"), [(engine, trait) for engine in ENGINES for trait in trait_names(engine)], indirect=["zoo"]
)


of_each_engine = pytest.mark.parametrize("zoo", ENGINES, indirect=True)


@pytest.fixture(scope="module")
def zoos(tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres) -> Iterator[Callable[[Engine], Zoo]]:
    """One zoo per engine, opened when it is first visited; where that fails, it fails for every visitor."""
    made: dict[Engine, Zoo | Exception] = {}
    name = f"zoo_{secrets.token_hex(3)}"

    def get(engine: Engine) -> Zoo:
        if engine not in made:
            server = _lazy_postgres.server if engine == "postgresql" else None
            try:
                made[engine] = open_zoo(engine, tmp_path_factory.mktemp("zoo"), server, name)
            except Exception as error:
                made[engine] = error
        found = made[engine]
        if isinstance(found, Exception):
            raise found
        return found

    yield get
    for database in _lazy_postgres.server.databases() if "postgresql" in made else ():
        if database.startswith(name):
            _lazy_postgres.server.drop_database(database)


@pytest.fixture
def zoo(request: pytest.FixtureRequest, zoos: Callable[[Engine], Zoo]) -> Zoo:
    """The zoo of an engine; nobody may change it."""
    return zoos(request.param)


@of_each_trait
def test_the_database_finds_each_trait_unchanged(zoo: Zoo, trait: str) -> None:
    belongings = _belongings(zoo, trait)

    for relation in (*belongings.tables, *belongings.views):
        assert picture_of_relation(zoo.restored, relation) == picture_of_relation(zoo.source, relation), relation


@of_each_trait
def test_the_restored_table_accepts_new_rows_as_the_original_does(zoo: Zoo, trait: str) -> None:
    tables = _belongings(zoo, trait).tables

    assert zoo.growing_pains[trait] == ""
    before = [picture_of_relation(zoo.source, table) for table in tables]
    grown = [picture_of_relation(zoo.grown_restored, table) for table in tables]
    # The same ids as the original would have given, those of deleted rows left out.
    assert grown == [picture_of_relation(zoo.grown_source, table) for table in tables]
    assert sum(len(table["rows"]) for table in grown) > sum(len(table["rows"]) for table in before)


@of_each_trait
def test_the_snapshot_describes_each_trait_correctly(zoo: Zoo, trait: str) -> None:
    belongings = _belongings(zoo, trait)
    relations = {label or name: name for name, label in belongings.tables.items()}
    relations |= {label: name for name, label in belongings.views.items() if label}

    assert {label: _said_of(zoo, label, name) for label, name in relations.items()} == EXPECTED[trait]


@of_each_trait
def test_every_reference_of_its_models_is_known(zoo: Zoo, trait: str) -> None:
    known: dict[str, dict[str, str]] = {}
    labels = {entry.table.id: entry.table.label for entry in zoo.manifest.tables}
    for table in (entry.table for entry in zoo.manifest.tables):
        found = known.setdefault(table.label, {})
        for reference in table.references:
            if isinstance(reference, ForeignReference):
                found[", ".join(reference.columns)] = labels[reference.target]
            elif reference.declared:
                found[reference.name] = "anything"

    for label, references in _belongings(zoo, trait).references.items():
        assert known.get(label, {}) == references, label


@of_each_engine
def test_nothing_besides_the_traits_differs(zoo: Zoo) -> None:
    assert differences(_picture(zoo.source), _picture(zoo.restored)) == []


@of_each_engine
def test_every_table_is_of_a_trait_or_of_django(zoo: Zoo) -> None:
    labels = {entry.table.label for entry in zoo.manifest.tables}
    of_traits = {label or name for found in zoo.traits.values() for name, label in found.tables.items()}

    assert of_traits <= labels
    assert {label.split(".")[0] for label in labels - of_traits} <= {"auth", "contenttypes", "django_migrations"}


def test_every_trait_is_recognised() -> None:
    assert set(EXPECTED) == {trait for engine in ENGINES for trait in trait_names(engine)}


def _belongings(zoo: Zoo, trait: str) -> Belongings:
    if trait not in zoo.traits:
        pytest.skip("its extension is not offered by this server")
    return zoo.traits[trait]


def _picture(url: str) -> dict[str, object]:
    path = url.removeprefix("sqlite:///")
    return picture_of_postgres(url) if path == url else picture_of_sqlite(Path(path))


def _said_of(zoo: Zoo, label: str, relation: str) -> Says:
    """The key that was chosen, and the findings on the model (or the table) and its fields, by code."""
    keys = [entry.natural_key for entry in zoo.manifest.tables if entry.table.label == label]
    findings = {}
    for finding in zoo.manifest.findings:
        for subject in (label, relation):
            if finding.subject == subject or finding.subject.startswith(f"{subject}."):
                findings[finding.code + finding.subject.removeprefix(subject).replace(".", " ")] = finding.count
    if not keys:
        return Says("none", (), findings)
    key = keys[0]
    paths = tuple(".".join(path) for path in key.paths) if key else ()
    return Says(key.source if key else "none", paths, findings)
