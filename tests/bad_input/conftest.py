"""Backed-up systems that stay unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bad_input.backed_up_system import ENGINES, BackedUp, stored
from tests.direct_access import spoil
from tests.independent_comparison import picture
from tests.one_per_engine import OnePerEngine
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdmsFactory
from tests.running import protect


@pytest.fixture(scope="package")
def backed_up(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Callable[[Engine], BackedUp]:
    """Engine -> its backed-up system, made once; the tests assert that they do not change it."""

    def make(engine: Engine, factory: ReferenceEdmsFactory, folder: Path) -> BackedUp:
        protected = protect(factory(engine), folder)
        protected.backup()
        spoil(protected.edms)
        return BackedUp(protected, picture(protected.edms), stored(protected.repository))

    return OnePerEngine("bad_input", make, tmp_path_factory, _edms_templates)


@pytest.fixture(params=ENGINES)
def system(request: pytest.FixtureRequest, backed_up: Callable[[Engine], BackedUp]) -> Iterator[BackedUp]:
    """A backed-up system of each engine, unchanged after the test."""
    found = backed_up(request.param)
    yield found
    found.assert_unchanged()


@pytest.fixture
def on_sqlite(backed_up: Callable[[Engine], BackedUp]) -> Iterator[BackedUp]:
    """A backed-up SQLite system, unchanged after the test."""
    found = backed_up("sqlite")
    yield found
    found.assert_unchanged()


@pytest.fixture
def on_postgres(backed_up: Callable[[Engine], BackedUp]) -> Iterator[BackedUp]:
    """A backed-up PostgreSQL system, unchanged after the test."""
    found = backed_up("postgresql")
    yield found
    found.assert_unchanged()
