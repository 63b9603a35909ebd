"""Every kind of field and table that the zoo has, as fixtures: Django's dumpdata says the same, and loaddata brings it back."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.manifest import Manifest
from edms_tasks.settings import Settings, settings_from
from flows.fixtures import FixtureResult, export_fixtures
from flows.requests import FixtureRequest
from flows.running.run import Run
from tests.exporting.fixture_rows import Rows, cut, differences, differing_tables, rows_of
from tests.reference_system import Engine, LazyPostgres
from tests.running import run_backup
from tests.warm_python import edms_python
from tests.zoo.the_zoo import EXTENSIONS, PROJECT, ask_keeper

# In the suite: kinds of fields in test_values, tables in test_fixtures_of_the_reference_edms.
pytestmark = pytest.mark.long

NOT_THE_SAME = (
    "('zoo.contract'",  # its base manager hides rows from Django
    "('zoo.heavyshipment'",  # a view
    *(
        f"('zoo.{name}'" for name in ("keyword", "parcel", "annotation")
    ),  # computed by the database; a field without column
)
NOT_LOADED = {
    "zoo_postgresql.Journal",  # no migration makes its table
    "zoo.Pointer",  # Django cannot set the sequence of a table with an apostrophe in its name
}


@dataclass(frozen=True)
class Place:
    """A zoo with settings of its own."""

    url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"ZOO_DATABASE": self.url, "ZOO_EXTENSIONS": ",".join(EXTENSIONS)}

    @property
    def settings(self) -> Settings:
        project = {
            "project": str(PROJECT),
            "settings": "zoo_settings",
            "python": edms_python(),
            "env": self.environment,
        }
        place = {"repository": {"url": str(self.folder / "repository")}, "workdir": str(self.folder / "work")}
        return settings_from({"edms": project, **place, "chunk_rows": 3}, where=self.folder / "edms-backup.toml")

    def django(self, *words: str) -> subprocess.CompletedProcess[str]:
        variables = (
            os.environ | self.environment | {"PYTHONPATH": str(PROJECT), "DJANGO_SETTINGS_MODULE": "zoo_settings"}
        )
        return subprocess.run(
            [edms_python(), "-m", "django", *words], env=variables, capture_output=True, text=True, check=False
        )


@dataclass(frozen=True)
class Exported:
    """A zoo, its snapshot as a fixture, and what Django dumps of it."""

    place: Place
    manifest: Manifest
    result: FixtureResult
    ours: Rows
    theirs: Rows


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres
) -> Iterator[Callable[[Engine], Place]]:
    """New, empty places; the databases are dropped in the end."""
    made: list[str] = []

    def make(engine: Engine) -> Place:
        folder = tmp_path_factory.mktemp("place")
        if engine == "sqlite":
            return Place(f"sqlite:///{folder / 'zoo.sqlite3'}", folder)
        name = f"exported_zoo_{secrets.token_hex(3)}"
        made.append(name)
        url = _lazy_postgres.server.create_database(name)
        with _lazy_postgres.server.connect(name) as connection:
            for extension in EXTENSIONS:
                connection.execute(f"CREATE EXTENSION {extension}".encode())
        return Place(url, folder)

    yield make
    for name in made:
        _lazy_postgres.server.drop_database(name)


@pytest.fixture(scope="module")
def zoo(place: Callable[[Engine], Place]) -> Callable[[Engine], Exported]:
    """The exported zoo of an engine; nobody may change it."""
    made: dict[Engine, Exported] = {}

    def get(engine: Engine) -> Exported:
        if engine not in made:
            here = place(engine)
            ask_keeper("fill", here.environment)
            manifest = run_backup(here.settings).manifest
            target = here.folder / "all.jsonl"
            result = export_fixtures.fn(Run(here.settings), FixtureRequest(target=str(target), without_files=True))
            dumped = here.django("dumpdata", "--all", "--format", "jsonl", "-o", str(here.folder / "django.jsonl"))
            assert dumped.returncode == 0, dumped.stderr
            made[engine] = Exported(here, manifest, result, rows_of(target), rows_of(here.folder / "django.jsonl"))
        return made[engine]

    return get


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_every_field_is_written_as_django_writes_it(engine: Engine, zoo: Callable[[Engine], Exported]) -> None:
    found = zoo(engine)

    differing = [line for line in differences(cut(found.ours), found.theirs) if not line.startswith(NOT_THE_SAME)]
    assert not differing, "\n".join(differing)
    assert len(found.ours) == found.result.rows > 200


@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_loaddata_brings_it_back_bit_for_bit_but_for_what_the_findings_name(
    engine: Engine, zoo: Callable[[Engine], Exported], place: Callable[[Engine], Place]
) -> None:
    found, target = zoo(engine), place(engine)
    ask_keeper("build", target.environment)
    excluded = NOT_LOADED if engine == "postgresql" else set[str]()

    loaded = target.django("loaddata", *(f"--exclude={name}" for name in excluded), found.result.place)

    assert loaded.returncode == 0, loaded.stderr
    again = run_backup(target.settings).manifest
    named = {one.subject.rpartition(".")[0] for one in found.result.losses} | {
        one.subject for one in found.result.losses
    }
    assert differing_tables(found.manifest, again) - named - excluded == set()
