"""The doctor says of each trait of the zoo exactly what it should, on both engines."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.doctor import Diagnosis
from edms_tasks.settings import settings_from
from tests.doctor.diagnoses_of_the_zoo import DIAGNOSES, ERRORS, Said
from tests.reference_system import Engine, LazyPostgres
from tests.running import run_doctor
from tests.warm_python import edms_python
from tests.zoo.the_zoo import EXTENSIONS, PROJECT, trait_names

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")
# What the doctor says it says of the inventory and of extracted rows, which zoo/test_traits has of both.
MOSTLY_SQLITE = [pytest.param("sqlite"), pytest.param("postgresql", marks=pytest.mark.long)]


@dataclass(frozen=True)
class Examined:
    """A zoo, and what was said of it."""

    names: dict[str, set[str]]  # trait -> labels of its models and names of its tables
    diagnosis: Diagnosis

    def said_of(self, trait: str) -> Said:
        """What is said of a trait's models, tables and their fields."""
        said: Said = {}
        for one in self.diagnosis.assessments:
            if any(one.subject == name or one.subject.startswith(f"{name}.") for name in self.names[trait]):
                said.setdefault(one.subject, {})[one.code] = one.count
        return said


class Examinations:
    """The zoo of each engine, filled and examined when it is first asked for."""

    def __init__(self, folder: Path, postgres: LazyPostgres) -> None:
        self._folder = folder
        self._postgres = postgres
        self._made: dict[Engine, Examined] = {}
        self._name = f"doctor_{secrets.token_hex(4)}"

    def __call__(self, engine: Engine) -> Examined:
        if engine not in self._made:
            self._made[engine] = self._make(engine)
        return self._made[engine]

    def end(self) -> None:
        """Drop what was made on the server."""
        if "postgresql" in self._made:
            self._postgres.server.drop_database(self._name)

    def _make(self, engine: Engine) -> Examined:
        if engine == "sqlite":
            environment = {"ZOO_DATABASE": f"sqlite:///{self._folder / 'zoo.sqlite3'}", "ZOO_EXTENSIONS": ""}
        else:
            url = self._postgres.server.create_database(self._name)
            environment = {"ZOO_DATABASE": url, "ZOO_EXTENSIONS": ",".join(self._create_extensions())}
        filled = subprocess.run(
            [edms_python(), str(PROJECT / "keeper.py"), "fill"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        names = {
            trait: {label or name for kind in ("tables", "views") for name, label in found[kind].items()}
            for trait, found in json.loads(filled.stdout).items()
        }
        edms = {"project": str(PROJECT), "settings": "zoo_settings", "python": edms_python(), "env": environment}
        given = {"edms": edms, "workdir": str(self._folder / "work")}
        settings = settings_from(given, where=self._folder / "edms-backup.toml")
        return Examined(names, run_doctor(settings).diagnosis)

    def _create_extensions(self) -> set[str]:
        with self._postgres.server.connect(self._name) as connection:
            offered = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions").fetchall()}
            for extension in offered & set(EXTENSIONS):
                connection.execute(f"CREATE EXTENSION {extension}".encode())
        return offered & set(EXTENSIONS)


@pytest.fixture(scope="module")
def examinations(tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres) -> Iterator[Examinations]:
    made = Examinations(tmp_path_factory.mktemp("zoo"), _lazy_postgres)
    yield made
    made.end()


@pytest.mark.parametrize(
    ("engine", "trait"),
    [
        pytest.param(one.values[0], trait, marks=one.marks)
        for one in MOSTLY_SQLITE
        for trait in trait_names(one.values[0])
    ],
)
def test_the_doctor_reports_each_trait_correctly(engine: Engine, trait: str, examinations: Examinations) -> None:
    examined = examinations(engine)
    if trait not in examined.names:
        pytest.skip("its extension is not offered by this server")

    assert examined.said_of(trait) == DIAGNOSES.get(trait, {})


@pytest.mark.parametrize("engine", MOSTLY_SQLITE)
def test_other_tables_have_no_finding_except_djangos_migrations(engine: Engine, examinations: Examinations) -> None:
    examined = examinations(engine)
    of_traits = {subject for trait in examined.names for subject in examined.said_of(trait)}

    others = {(one.subject, one.code) for one in examined.diagnosis.assessments if one.subject not in of_traits}

    assert others == {("django_migrations", "no-natural-key")}


@pytest.mark.parametrize("engine", MOSTLY_SQLITE)
def test_unusual_traits_are_no_errors(engine: Engine, examinations: Examinations) -> None:
    assert {one.subject for one in examinations(engine).diagnosis.assessments if one.severity == "error"} == ERRORS


def test_every_expected_diagnosis_belongs_to_a_trait() -> None:
    assert set(DIAGNOSES) <= {trait for engine in ENGINES for trait in trait_names(engine)}
