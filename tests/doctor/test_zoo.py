"""The doctor says of each trait of the zoo exactly what it should, on both engines."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edms_tasks.doctor import Diagnosis
from edms_tasks.settings import settings_from
from flows.direct_steps import DirectSteps
from flows.doctor import compose_doctor
from tests.doctor.diagnoses_of_the_zoo import DIAGNOSES, ERRORS, Said
from tests.reference_system import Engine, LazyPostgres
from tests.zoo.the_zoo import EXTENSIONS, PROJECT, trait_names

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
OF_DJANGO = ("auth.", "contenttypes.", "django_migrations")


@dataclass(frozen=True)
class Examined:
    """A zoo, and what was said of it."""

    names: dict[str, set[str]]  # trait -> labels of its models and names of its tables
    diagnosis: Diagnosis

    def said_of(self, trait: str) -> Said:
        """What is said of a trait's models, tables and their fields."""
        said: Said = {}
        for one in self.diagnosis.judgements:
            if any(one.subject == name or one.subject.startswith(f"{name}.") for name in self.names[trait]):
                said.setdefault(one.subject, {})[one.code] = one.count
        return said


@pytest.fixture(scope="module", params=ENGINES)
def examined(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres
) -> Iterator[Examined]:
    folder = tmp_path_factory.mktemp("zoo")
    server = _lazy_postgres.server if request.param == "postgresql" else None
    database, environment = f"doctor_{secrets.token_hex(4)}", {"ZOO_EXTENSIONS": ""}
    if server is None:
        environment["ZOO_DATABASE"] = f"sqlite:///{folder / 'zoo.sqlite3'}"
    else:
        environment["ZOO_DATABASE"] = server.create_database(database)
        with server.connect(database) as connection:
            offered = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions").fetchall()}
            for extension in offered & set(EXTENSIONS):
                connection.execute(f"CREATE EXTENSION {extension}".encode())
        environment["ZOO_EXTENSIONS"] = ",".join(offered & set(EXTENSIONS))
    filled = subprocess.run(
        [sys.executable, str(PROJECT / "keeper.py"), "fill"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    belongings = json.loads(filled.stdout)
    names = {
        trait: {label or name for kind in ("tables", "views") for name, label in found[kind].items()}
        for trait, found in belongings.items()
    }
    settings = settings_from(
        {
            "edms": {"project": str(PROJECT), "settings": "zoo_settings", "python": sys.executable, "env": environment},
            "workdir": str(folder / "work"),
        },
        where=folder / "edms-backup.toml",
    )
    yield Examined(names, compose_doctor(settings, DirectSteps()).diagnosis)
    if server is not None:
        server.drop_database(database)


@pytest.mark.parametrize(
    ("examined", "trait"),
    [(engine, trait) for engine in ENGINES for trait in trait_names(engine)],
    indirect=["examined"],
)
def test_it_says_of_each_trait_what_is_true(examined: Examined, trait: str) -> None:
    if trait not in examined.names:
        pytest.skip("its extension is not offered by this server")

    assert examined.said_of(trait) == DIAGNOSES.get(trait, {})


def test_of_what_is_no_trait_it_says_nothing_but_that_django_has_no_key_for_its_migrations(examined: Examined) -> None:
    of_traits = {subject for trait in examined.names for subject in examined.said_of(trait)}

    others = {(one.subject, one.code) for one in examined.diagnosis.judgements if one.subject not in of_traits}

    assert others == {("django_migrations", "no-natural-key")}


def test_what_is_odd_is_no_error(examined: Examined) -> None:
    assert {one.subject for one in examined.diagnosis.judgements if one.severity == "error"} == ERRORS


def test_every_diagnosis_is_of_a_trait() -> None:
    assert set(DIAGNOSES) <= {trait for engine in ENGINES for trait in trait_names(engine)}
