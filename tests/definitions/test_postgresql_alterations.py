"""Whatever is altered in a PostgreSQL database after it was restored is named; the same in other words is the same.

Alterations of different things share a copy of the database, and all that is found there must be what was altered, so that none
hides another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.definitions.named import capture, compare, differences
from tests.definitions.rich_postgresql import ALTERATIONS, ROLES, SAME, Alteration, available, schema_for
from tests.postgres_server import PostgresServer

ALONE = ("audit_trigger_disabled", "keys_not_enforced", "materialised_view_emptied", "grant_added")


class Rich:
    """A database with a rich schema, captured once, and copies of it."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server = server
        self.name = f"rich_{secrets.token_hex(3)}"
        self.folder = folder
        self.extensions = available(server)
        self.url = server.create_database(self.name)
        with server.connect() as connection:
            for role in ROLES:
                connection.execute(f"CREATE ROLE {role}".encode())
        server.psql(self.name, schema_for(self.extensions))
        self.captured = capture(self.url, folder / "source")
        self._groups = cache(self._altered)

    def copy(self, script: str) -> str:
        """Another copy, changed by a script; returns its address."""
        name = f"{self.name}_{secrets.token_hex(3)}"
        url = self.server.create_database(name, template=self.name)
        self.server.psql(name, script)
        return url

    def found_with(self, alteration: Alteration) -> dict[str, str]:
        """What is found where this was altered, and more that has nothing to do with it."""
        group = next(group for group in groups(self.extensions) if alteration in group)
        return self._groups(group)

    def _altered(self, group: tuple[Alteration, ...]) -> dict[str, str]:
        url = self.copy(";\n".join(one.sql for one in group))
        return differences(self.captured, url, self.folder / secrets.token_hex(3))

    def close(self) -> None:
        for name in self.server.databases():
            if name.startswith(self.name):
                self.server.drop_database(name)
        with self.server.connect() as connection:
            for role in ROLES:
                connection.execute(f"DROP ROLE {role}".encode())


@cache
def groups(extensions: bool) -> tuple[tuple[Alteration, ...], ...]:
    """The alterations, those of the same thing apart."""
    made: list[list[Alteration]] = []
    for one in ALTERATIONS:
        if one.needs_extensions and not extensions:
            continue
        free = (
            group for group in made if not any(one.touches & other.touches for other in group) and one.name not in ALONE
        )
        group = next(free, None)
        if group is None:
            made.append(group := [])
        group.append(one)
    return tuple(map(tuple, made))


@pytest.fixture(scope="module")
def rich(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rich]:
    made = Rich(postgres_server, tmp_path_factory.mktemp("rich"))
    yield made
    made.close()


def test_a_copy_has_no_difference(rich: Rich, tmp_path: Path) -> None:
    found = compare(rich.captured, rich.copy("SELECT 1"), tmp_path / "copy")

    assert (found.differences, found.notes) == ((), ())
    assert found.compared > 100


@pytest.mark.parametrize("alteration", ALTERATIONS, ids=lambda one: one.name)
def test_every_alteration_is_named(alteration: Alteration, rich: Rich) -> None:
    if alteration.needs_extensions and not rich.extensions:
        pytest.skip("the server has no extensions to alter")

    found = rich.found_with(alteration)

    for subject, said in alteration.named.items():
        assert said in found.get(subject, f"not named; {found}"), found.get(subject)


def test_only_the_alteration_is_named(rich: Rich) -> None:
    for group in groups(rich.extensions):
        named = {subject for one in group for subject in one.named}
        assert {*rich.found_with(group[0])} == named


@pytest.mark.parametrize("name", SAME)
def test_equal_definitions_in_another_spelling_or_order_are_equal(name: str, rich: Rich, tmp_path: Path) -> None:
    found = compare(rich.captured, rich.copy(SAME[name]), tmp_path / "same")

    assert (found.differences, found.notes) == ((), ())
