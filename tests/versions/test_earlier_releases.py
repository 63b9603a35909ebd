"""Snapshots that an earlier release made are verified, restored and compared by this one."""

from __future__ import annotations

import secrets
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from edms_tasks.settings import Settings, settings_from
from tests.inventory.small_project import small_project
from tests.postgres_server import PostgresServer
from tests.put_back import KeptDatabase, KeptFolder
from tests.reference_system import Engine, LazyPostgres
from tests.running import run_diff, run_merge, run_restore, run_verify
from tests.versions import earlier_release
from tests.warm_python import edms_python

MADE = Path(__file__).parent / "earlier_releases" / "0.1.0"
SNAPSHOTS = {"sqlite": ("afb719ca7689", "a59df4c2e306"), "postgresql": ("8095f13a8582", "aaae33e14e14")}
DOCUMENTS = "SELECT number, address, cost, label, made, took FROM small_document ORDER BY number"
KINDS = {
    "sqlite": (
        "SELECT id, anything, typeof(anything), real, bytes FROM kinds ORDER BY id",
        [
            ("a", 10, "integer", 1.5, b"\x00\xff"),
            ("b", "10", "text", 2.0, None),
            ("c", b"1", "blob", None, b""),
            ("d", 2.5, "real", 1e300, None),
        ],
    ),
    "postgresql": (
        "SELECT * FROM kinds ORDER BY id",
        [
            ("1", "ab      ", "192.0.2.0/24", "192.0.2.0/24", "x", "LOUD", "[1,5)", '{a,"b c"}', "1 mon 2 days", "1.50"),
            ("2", "abcdefgh", "::1", "::/0", "", "calm", "empty", "{}", "00:00:00.000001", "NaN"),
            ("3", *[None] * 9),
        ],
    ),
}  # fmt: skip
MIGRATIONS = "django_migrations"  # when they were applied
COMMENTS = [
    ("SOP-1", "On 1\nsecond line"),
    ("SOP-1", "later"),
    ("SOP-2", "changed"),
    ("SOP-4", "On 4\nsecond line"),
    ("SOP-5", "On 5\nsecond line"),
]


@dataclass(frozen=True)
class Office:
    """The EDMS made anew, on a database that holds what the snapshots do, and the repository of then."""

    engine: Engine
    project: Path
    url: str | None
    settings: Settings

    def asked(self, query: str) -> list[tuple[object, ...]]:
        return earlier_release.asked(self.project, self.url, query)

    def execute(self, *statements: str) -> None:
        earlier_release.execute(self.project, self.url, statements)


@dataclass(frozen=True)
class Kept:
    """An office that each test gets as it was made."""

    office: Office
    folder: KeptFolder
    database: KeptDatabase | None


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres) -> Callable[[Engine], Office]:
    """`offices("sqlite")`: as it was made; each for one test at a time."""
    made: dict[Engine, Kept] = {}

    def get(engine: Engine) -> Office:
        if engine in made:
            made[engine].folder.put_back()
            if (database := made[engine].database) is not None:
                database.put_back()
            return made[engine].office
        folder = tmp_path_factory.mktemp("offices") / engine
        name = f"earlier_office_{secrets.token_hex(3)}"
        url = _lazy_postgres.server.create_database(name) if engine == "postgresql" else None
        office = open_office(engine, folder, url)
        database = KeptDatabase(_lazy_postgres.server, name) if url is not None else None
        made[engine] = Kept(office, KeptFolder(folder), database)
        return office

    return get


def open_office(engine: Engine, folder: Path, url: str | None) -> Office:
    project = folder / "project"
    small_project(project, earlier_release.MODELS, earlier_release.ROWS, settings=earlier_release.django_settings(url))
    (project / "media" / "in").mkdir(parents=True)
    earlier_release.execute(project, url, earlier_release.BESIDE[engine])
    earlier_release.execute(project, url, earlier_release.SECOND)
    with tarfile.open(MADE / f"{engine}.tar.xz") as made:
        made.extractall(folder, filter="data")
    settings = settings_from(
        {
            "edms": {"project": str(project), "settings": "small_settings", "python": edms_python()},
            "repository": {"url": str(folder / "repository")},
            "validate": {"django_check": False},
            "workdir": str(folder / "work"),
        },
        where=folder / "edms-backup.toml",
    )
    return Office(engine, project, url, settings)


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_snapshots_of_earlier_releases_verify_and_restore_exactly(
    engine: Engine, offices: Callable[[Engine], Office]
) -> None:
    office = offices(engine)
    before = office.asked(DOCUMENTS)
    for snapshot in SNAPSHOTS[office.engine]:
        assert run_verify(office.settings, snapshot=snapshot).problems == ()
    office.execute("DELETE FROM small_comment", "DELETE FROM small_document", "DROP TRIGGER kept" + _ON[office.engine])

    result = run_restore(office.settings, snapshot=SNAPSHOTS[office.engine][1])

    assert result.success, result.failures
    assert office.asked(DOCUMENTS) == before
    query, rows = KINDS[office.engine]
    assert office.asked(query) == rows
    assert (
        office.asked(
            "SELECT number, text FROM small_comment c JOIN small_document d ON d.id = document_id ORDER BY number, text"
        )
        == COMMENTS
    )
    with pytest.raises(Exception, match="no"):
        office.execute("DELETE FROM kinds")
    media = office.project / "media"
    assert {str(p.relative_to(media)): p.read_text() for p in media.rglob("*.txt")} == earlier_release.FILES


@pytest.mark.long  # a snapshot of this release, in bad_input/test_databases_and_disks
def test_a_role_without_createdb_restores_them_into_an_empty_database(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    """They say nothing of extensions' versions, of the database itself, nor in which words another server would tell it."""
    name = postgres_database.rpartition("/")[2]
    with postgres_server.connect("postgres") as connection:
        connection.execute("CREATE ROLE earlier_owner LOGIN PASSWORD 'secret' NOCREATEDB")
        connection.execute(f"ALTER DATABASE {name} OWNER TO earlier_owner".encode())
    url = f"postgresql://earlier_owner:secret@{postgres_database.rpartition('@')[2]}"
    with psycopg.connect(url) as connection:  # where the settings point; the restore goes elsewhere
        connection.execute("CREATE TABLE there (id integer)")
    postgres_server.create_database(f"{name}_made")
    with postgres_server.connect("postgres") as connection:
        connection.execute(f"ALTER DATABASE {name}_made OWNER TO earlier_owner".encode())
    with tarfile.open(MADE / "postgresql.tar.xz") as made:
        made.extractall(tmp_path, filter="data")
    settings = settings_from(
        {
            "edms": {"project": str(tmp_path / "gone"), "settings": "small_settings", "python": edms_python()},
            "repository": {"url": str(tmp_path / "repository")},
            "restore": {"database": url},
            "workdir": str(tmp_path / "work"),
        },
        where=tmp_path / "edms-backup.toml",
    )
    try:
        result = run_restore(
            settings,
            snapshot=SNAPSHOTS["postgresql"][1],
            into=f"{name}_made",
            into_files=tmp_path / "files",
        )

        assert result.success, result.failures
        query, rows = KINDS["postgresql"]
        assert earlier_release.asked(tmp_path, f"{url}_made", query) == rows
    finally:
        postgres_server.drop_database(f"{name}_made")
        postgres_server.drop_database(name)
        with postgres_server.connect("postgres") as connection:
            connection.execute("DROP ROLE earlier_owner")


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_against_the_live_system_only_what_changed_since_is_a_difference(
    engine: Engine, offices: Callable[[Engine], Office]
) -> None:
    office = offices(engine)
    office.execute("UPDATE small_document SET cost = 99 WHERE number = 'SOP-3'")

    result = run_diff(office.settings, snapshot=SNAPSHOTS[office.engine][1])

    assert {
        table.model: (table.added, table.removed, table.changed)
        for table in result.difference.tables
        if table.differences and table.model != MIGRATIONS
    } == {"small.Document": (0, 0, 1)}


@pytest.mark.long  # they are restored above
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_merge_brings_back_what_is_missing_and_writes_nothing_else(
    engine: Engine, offices: Callable[[Engine], Office]
) -> None:
    office = offices(engine)
    before = office.asked(DOCUMENTS)
    office.execute("DELETE FROM small_comment WHERE document_id = 2", "DELETE FROM small_document WHERE id = 2")

    result = run_merge(office.settings, snapshot=SNAPSHOTS[office.engine][1])

    assert result.done and result.success
    assert office.asked(DOCUMENTS) == before
    written = {
        model.model: (model.insert, model.update) for model in result.plan.models if model.insert or model.update
    }
    assert written == {"small.Document": (1, 0), "small.Comment": (1, 0)}


_ON = {"sqlite": "", "postgresql": " ON kinds"}
