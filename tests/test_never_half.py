"""Kill the process at each stage: the live system is untouched, the next run succeeds, nothing is left behind."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from flows.running.run import ask_now
from tests.backed_up import BackedUpSystems
from tests.direct_access import spoil
from tests.independent_comparison import differences, picture
from tests.killed_run import kill
from tests.postgres_server import PostgresServer
from tests.reference_system import EdmsTemplates, Engine, LazyPostgres, ReferenceEdmsFactory
from tests.running import Protected, protect

BACKUP_POINTS = (
    "check keys",
    "after extract documents.Document",
    "serialize",
    "package",
    "after package documents.Document",
    "write manifest",
    "verify",
)
RESTORE_POINTS = (
    "stage",
    "restore",
    "after load documents.Document",
    "build indexes and constraints",
    "restore the files of media",
    "validate",
    "promote",
    "before swap",
)
# The first, the last, and where the most is half done; `make test-long` kills at every point.
FEW_BACKUP_POINTS = ("check keys", "write manifest", "verify")
FEW_RESTORE_POINTS = ("stage", "build indexes and constraints", "before swap")

pytestmark = pytest.mark.usefixtures("edms_asked_once")

Systems = Callable[[Engine], Protected]


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Systems:
    """A backed-up installation per engine. Killed runs leave it untouched, so the points share it."""
    made: dict[Engine, Protected] = {}

    def get(engine: Engine) -> Protected:
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"killed_{engine}")
            factory = ReferenceEdmsFactory(
                _edms_templates, folder / "installations", f"killed_{engine}_{secrets.token_hex(3)}"
            )
            made[engine] = protect(factory(engine, documents=5), folder, extra="[validate]\ndjango_check = false")
            made[engine].backup()
        return made[engine]

    return get


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "points"),
    [
        pytest.param("sqlite", FEW_BACKUP_POINTS, id="sqlite"),
        pytest.param("sqlite", BACKUP_POINTS, id="sqlite-every point", marks=pytest.mark.long),
        pytest.param("postgresql", BACKUP_POINTS, id="postgresql-every point", marks=pytest.mark.long),
    ],
)
def test_a_killed_backup_leaves_the_system_and_the_repository_as_they_were(
    engine: Engine, points: tuple[str, ...], systems: Systems
) -> None:
    protected = systems(engine)
    live, snapshots = picture(protected.edms), _snapshots(protected)

    for point in points:
        _kill(protected, "backup", point)
        assert differences(live, picture(protected.edms)) == [], point

    before_the_manifest = _snapshots(protected)
    protected.backup()
    # Only the kill at "verify" came after a manifest was written: that snapshot exists wholly.
    assert len(before_the_manifest) == len(snapshots) + 1
    assert protected.verify().problems == ()
    assert _leftovers(protected) == []
    assert _unreferenced_objects(protected) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "points"),
    [
        pytest.param("postgresql", FEW_RESTORE_POINTS, id="postgresql"),
        pytest.param("postgresql", RESTORE_POINTS, id="postgresql-every point", marks=pytest.mark.long),
        pytest.param("sqlite", (*RESTORE_POINTS, "inside swap"), id="sqlite-every point", marks=pytest.mark.long),
    ],
)
def test_a_killed_restore_leaves_the_live_system_untouched(
    engine: Engine, points: tuple[str, ...], systems: Systems, _lazy_postgres: LazyPostgres
) -> None:
    protected = systems(engine)
    spoil(protected.edms)  # a live system that equals the snapshot could not show that it was replaced
    live = picture(protected.edms)

    for point in points:
        _kill(protected, "restore", point)
        assert differences(live, picture(protected.edms)) == [], point

    into = _elsewhere(protected)
    result = protected.restore(into=into, into_files=protected.config.parent / "elsewhere")
    assert result.success
    assert differences(live, picture(protected.edms)) == []
    assert _leftovers(protected) == []
    if engine == "postgresql":
        assert _staging_databases(_lazy_postgres.server, protected) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "engine"),
    [
        ("after swap", "sqlite"),
        pytest.param("between renames", "postgresql", marks=pytest.mark.long),
        pytest.param("after swap", "postgresql", marks=pytest.mark.long),
        pytest.param("between renames", "sqlite", marks=pytest.mark.long),
    ],
)
def test_a_promotion_cut_short_is_finished_by_the_next_command(
    engine: Engine, point: str, backed_up: BackedUpSystems
) -> None:
    protected = backed_up(engine, extra="[validate]\ndjango_check = false").protected
    edms = protected.edms
    before = picture(edms)
    edms.manage("reinit")
    reinitialised = picture(edms)

    _kill(protected, "restore", point)
    protected.rollback()

    # The rollback first finished the promotion and then undid it: whole in both directions.
    assert differences(reinitialised, picture(edms)) == []
    protected.restore()
    assert differences(before, picture(edms)) == []


def _kill(protected: Protected, verb: str, point: str) -> None:
    # The EDMS is asked once by each test and not by each killed run: it answers the same, and is not what is killed.
    kill(verb, protected.config, point, ask_now(protected.settings))


def _snapshots(protected: Protected) -> set[str]:
    return {path.name for path in (protected.repository / "snapshots").iterdir()}


def _leftovers(protected: Protected) -> list[str]:
    """Scratch files, staged files and databases, half-written objects."""
    work = protected.settings.workdir
    left = [*work.glob("backup-*"), *work.glob("restore-*"), *work.glob("verify-*")]
    left += [*(protected.repository / "tmp").glob("*"), *(protected.repository / "pending").glob("*")]
    # Nothing was promoted here, so no previous state may be kept either.
    beside = protected.edms.media.parent.iterdir()
    left += [path for path in beside if ".edms-staging" in path.name or ".previous-" in path.name]
    left += [path for path in (work / "reports").glob("restore-*") if not (path / "recovery.json").exists()]
    return [str(path) for path in left]


def _unreferenced_objects(protected: Protected) -> set[str]:
    from edms_tasks.manifest import Manifest

    named: set[str] = set()
    for path in (protected.repository / "snapshots").iterdir():
        named |= set(Manifest.from_json(path.read_bytes(), where=path.name).objects())
    return {path.name for path in (protected.repository / "objects").rglob("*") if path.is_file()} - named


def _staging_databases(server: PostgresServer, protected: Protected) -> list[str]:
    return [name for name in server.databases() if name.startswith(protected.edms.database_name) and "staging" in name]


def _elsewhere(protected: Protected) -> str:
    if protected.edms.engine == "sqlite":
        return str(protected.config.parent / "elsewhere.sqlite3")
    return f"{protected.edms.database_name}_elsewhere"
