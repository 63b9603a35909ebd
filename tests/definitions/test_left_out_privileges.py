"""A privilege that could not be granted excuses itself alone: whatever else is wrong with the same thing is named."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import LeftOut
from edms_tasks.structure.definitions_compared import compare_definitions
from tests.databases.rebuilt import roles, said_by_pg_dump
from tests.definitions.named import capture
from tests.postgres_server import PostgresServer

REFUSED = "acl_refused"
MADE = f"""
    CREATE TABLE t (id integer, secret text); GRANT SELECT, INSERT ON t TO acl_reader; GRANT SELECT ON t TO {REFUSED};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO acl_reader, {REFUSED}
"""
# What a restore without the role would make.
LESS = (
    f"REVOKE ALL ON t FROM {REFUSED}; ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM {REFUSED}"
)
TABLE, DEFAULTS = "ACL public TABLE t", "DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES"
ALTERED = {
    "one grant less": ("REVOKE INSERT ON t FROM acl_reader", {TABLE}),
    "one grant more": ("GRANT DELETE ON t TO acl_reader", {TABLE}),
    "a grant to everybody": ("GRANT SELECT ON t TO PUBLIC", {TABLE}),
    "more for the refused": (f"GRANT DELETE ON t TO {REFUSED}", {TABLE}),
    "none at all": ("REVOKE ALL ON t FROM acl_reader", {TABLE}),
    "a default less": ("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM acl_reader", {DEFAULTS}),
    "nothing": ("SELECT 1", set[str]()),
}


@dataclass(frozen=True)
class _Asked:
    folder: Path
    server: PostgresServer

    def named(self, altered: str) -> set[str]:
        source, copy = (f"acl_{secrets.token_hex(3)}" for _ in range(2))
        try:
            self.server.create_database(source)
            self.server.psql(source, MADE)
            captured = capture(self.server.url(source), self.folder / "source")
            url = self.server.create_database(copy, template=source)
            self.server.psql(copy, f"{LESS}; {altered}")
            database = open_database(DatabaseAddress.from_url(url))
            with database.view(self.folder, 1) as view:
                again = view.capture_schema(self.folder / "again")
                compared = compare_definitions(
                    captured, again, view, database, self.folder / "replayed", _left_out(self.server.url(source))
                )
            return {one.subject for one in compared.differences}
        finally:
            for name in (source, copy):
                self.server.drop_database(name)


def _left_out(url: str) -> list[LeftOut]:
    return [
        LeftOut(DEFAULTS if line.startswith("ALTER DEFAULT") else TABLE, "no such role", line.removesuffix(";"))
        for line in said_by_pg_dump(url)
        if REFUSED in line
    ]


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=[] if what in ("nothing", "one grant less", "a default less") else [pytest.mark.long])
        for what in ALTERED
    ],
)
def test_one_refused_role_hides_no_other_grant(what: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    altered, named = ALTERED[what]
    with roles(postgres_server.url(), REFUSED, "acl_reader"):
        assert _Asked(tmp_path, postgres_server).named(altered) == named
