"""The chain of three versions, made once per engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.reference_system import EdmsTemplates, Engine, LazyPostgres
from tests.versions.chain import Chain, make_chain


@pytest.fixture(scope="session")
def chains(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> Iterator[Callable[[Engine], Chain]]:
    """`chains("sqlite")`: a system that was backed up under three versions of its code; on PostgreSQL only under the first."""
    made: dict[Engine, Chain] = {}
    name = f"versions_{os.getpid()}"

    def get(engine: Engine) -> Chain:
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"versions_{engine}")
            made[engine] = make_chain(_edms_templates, folder, engine, name, last=3 if engine == "sqlite" else 1)
        return made[engine]

    yield get
    if _lazy_postgres.started:
        for left in _lazy_postgres.server.databases():
            if left.startswith(name):
                _lazy_postgres.server.drop_database(left)
