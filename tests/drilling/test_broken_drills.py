"""A drill in which something is broken fails loudly, says why in one line, leaves nothing, and touches nothing that is live."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from edms_tasks.drill_settings import DrillSettings
from edms_tasks.errors import EdmsBackupError, SettingsError
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.settings import Settings
from flows.drill import DrillResult, drill, drill_snapshot
from flows.requests import DrillRequest
from flows.running.run import Run
from flows.status import read_status
from tests.backed_up import BackedUpSystems
from tests.databases.rebuilt import roles
from tests.independent_comparison import differences, picture
from tests.killed_run import kill
from tests.postgres_server import PostgresServer
from tests.reference_system import ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@dataclass(frozen=True)
class Broken:
    """A system in which something is to be broken."""

    protected: Protected
    snapshot: str
    patch: pytest.MonkeyPatch

    def settings(self, **drill: Any) -> Settings:
        return self.protected.settings.model_copy(update={"drill": DrillSettings(**drill)})

    @property
    def manifest(self) -> Path:
        return self.protected.repository / "snapshots" / f"{self.snapshot}.json"


def damaged_object(broken: Broken) -> Settings:
    largest = max(
        (broken.protected.repository / "objects").rglob("*"), key=lambda path: path.stat().st_size * path.is_file()
    )
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(data)
    return broken.settings()


def manifest_missing(broken: Broken) -> Settings:
    broken.manifest.unlink()
    return broken.settings()


def manifest_altered(broken: Broken) -> Settings:
    broken.manifest.chmod(0o600)
    broken.manifest.write_bytes(broken.manifest.read_bytes().replace(b'"rows"', b'"rowS"', 1))
    return broken.settings()


def code_missing(broken: Broken) -> Settings:
    edms = broken.protected.settings.edms.model_copy(update={"project": Path("/nowhere/edms")})
    return broken.settings().model_copy(update={"edms": edms})


def code_does_not_run(broken: Broken) -> Settings:
    """The settings know the database, so the data can be restored, and nobody can try it."""
    broken.patch.setenv("EDMS_BACKUP__RESTORE__DATABASE", broken.protected.edms.database_url)
    edms = broken.protected.settings.edms.model_copy(update={"python": Path("/nowhere/python")})
    return broken.settings(commands=("check",)).model_copy(update={"edms": edms})


def acceptance_fails(broken: Broken) -> Settings:
    return broken.settings(commands=(("-c", "# nobody can log in\nassert 1 == 2, 'no such user'"), "check"))


def acceptance_is_unknown(broken: Broken) -> Settings:
    return broken.settings(commands=("chekc",))


def acceptance_hangs(broken: Broken) -> Settings:
    return broken.settings(commands=(("-c", "import time; time.sleep(60)"),), timeout=1)


def no_room(broken: Broken) -> Settings:
    usage = shutil.disk_usage(broken.protected.repository)
    broken.patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    return broken.settings()


def repository_unreachable(broken: Broken) -> Settings:
    broken.protected.repository.rename(broken.protected.repository.with_name("unmounted"))
    return broken.settings()


def rto_missed(broken: Broken) -> Settings:
    return broken.settings(rto="0s")


def rpo_missed(broken: Broken) -> Settings:
    return broken.settings(rpo="0s")


CASES: dict[Callable[[Broken], Settings], str] = {
    damaged_object: r"damaged|is not what|does not match|altered",
    manifest_missing: r"snapshot",
    manifest_altered: r"damaged|snapshot",
    code_missing: r"cannot say where its database is",
    code_does_not_run: r"acceptance commands could not be run",
    acceptance_fails: r"^The command 'nobody can log in' failed: exit code 1: AssertionError: no such user$",
    acceptance_is_unknown: r"^The command 'chekc' failed: exit code 1: .*Unknown command",
    acceptance_hangs: r"did not end in 1 seconds",
    no_room: r"^There is not enough disk space",
    repository_unreachable: r"[Rr]epository",
    rto_missed: r"^RTO missed: The restore and its acceptance took .*, the target is 0\.0 s\.$",
    rpo_missed: r"^RPO missed: The newest snapshot was older",
}


@pytest.fixture
def broken(backed_up: BackedUpSystems, monkeypatch: pytest.MonkeyPatch) -> Broken:
    found = backed_up("sqlite")
    return Broken(found.protected, found.first.snapshot_id, monkeypatch)


ALMOST_ANOTHER = (
    manifest_missing,
    manifest_altered,
    acceptance_is_unknown,
    acceptance_hangs,
    repository_unreachable,
    rto_missed,
)


@pytest.mark.parametrize(
    "break_",
    [
        pytest.param(case, id=case.__name__, marks=[pytest.mark.long] if case in ALMOST_ANOTHER else [])
        for case in CASES
    ],
)
def test_what_is_broken_is_said_in_one_line_and_nothing_is_left(
    break_: Callable[[Broken], Settings], broken: Broken
) -> None:
    live = picture(broken.protected.edms)
    settings = break_(broken)
    beside = _everything_in(broken.protected)

    line = failed_drill(settings)

    assert "\n" not in line
    assert re.search(CASES[break_], line), line
    broken.patch.undo()
    assert differences(live, picture(broken.protected.edms)) == []
    assert _everything_in(broken.protected) == beside
    if break_ is not repository_unreachable:
        entry = _last_entry(settings)
        assert (entry.event, entry.outcome, entry.facts["what"]) == ("drill", "failed", line[:500])


@pytest.mark.long
def test_a_wrong_key_is_said_and_nothing_is_left(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = encrypt(protect(edms_factory("sqlite", documents=5), tmp_path / "own"))
    protected.backup()
    other = encrypt(protect(edms_factory("sqlite", documents=5), tmp_path / "other"))
    shutil.copy(other.settings.repository.identity, protected.settings.repository.identity)  # type: ignore[arg-type]
    beside = _everything_in(protected)

    line = failed_drill(protected.settings)

    assert "key" in line
    assert _everything_in(protected) == beside


@pytest.mark.long
def test_rows_that_came_back_otherwise_fail_the_drill(broken: Broken) -> None:
    def spoil(staging: Any, folders: Any) -> None:
        path = next(path for path in folders[0].rglob("*") if path.is_file())
        path.write_bytes(b"something else")

    beside = _everything_in(broken.protected)
    result = drill_snapshot(Run(broken.settings(commands=("check",))), DrillRequest(), spoil)

    assert not result.success
    assert result.restored.drill is None  # nobody tried a copy that is not equal
    assert "differs" in result.problems[0] or "file" in result.problems[0]
    assert _everything_in(broken.protected) == beside


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_what_a_killed_drill_left_is_removed_by_the_next_and_what_others_made_is_not(
    engine: Any, backed_up: BackedUpSystems
) -> None:
    protected = backed_up(engine, extra="[validate]\ndjango_check = false\n[drill]\ncommands = ['check']").protected
    live, beside = picture(protected.edms), _everything_in(protected)
    foreign = protected.settings.workdir / "edms-drill-notes"  # it looks like ours
    foreign.mkdir()
    (foreign / "keep.txt").write_text("not ours", encoding="utf-8")

    with _foreign_database(protected) as theirs:
        kill("drill", protected.config, "accept")
        left = _everything_in(protected) - beside
        databases = _databases(protected) - {theirs}
        result = drill.fn(Run(protected.settings), DrillRequest())
        after = _databases(protected)

    assert result.problems == ()
    assert any("edms-drill-" in name for name in left)
    if engine == "postgresql":
        assert any("edms_drill_" in name for name in databases)
    assert after == {theirs} - {""}
    assert _everything_in(protected) - beside == {"work/edms-drill-notes", "work/edms-drill-notes/keep.txt"}
    assert differences(live, picture(protected.edms)) == []


@pytest.mark.long  # of restores, in bad_input/test_databases_and_disks
def test_a_role_that_may_not_create_databases_is_told_so(
    backed_up: BackedUpSystems, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected = backed_up("postgresql").protected
    with roles(postgres_server.url(), "drill_plain LOGIN PASSWORD 'x' NOCREATEDB"):
        address = f"postgresql://drill_plain:x@127.0.0.1:{postgres_server.port}/{protected.edms.database_name}"
        monkeypatch.setenv("EDMS_BACKUP__RESTORE__DATABASE", address)

        line = failed_drill(protected.settings)

    assert "create" in line and "database" in line
    assert _databases(protected) == set()


@pytest.mark.long
def test_a_failed_drill_shows_in_status_until_one_passes(broken: Broken) -> None:
    drill.fn(Run(broken.settings(rto="0s")), DrillRequest())
    failed = read_status(broken.protected.settings)
    drill.fn(Run(broken.settings()), DrillRequest())
    passed = read_status(broken.protected.settings, max_drill_age="1h")

    assert failed.drill is None
    assert failed.proved is not None  # the rows came back; only the target was missed
    assert any(problem.startswith("The last drill failed") and "RTO missed" in problem for problem in failed.problems)
    assert passed.problems == ()
    assert passed.drill is not None
    assert "last drill" in passed.line


def test_a_container_must_see_the_copy(broken: Broken) -> None:
    edms = broken.protected.settings.edms.model_copy(update={"command": ("docker", "exec", "edms", "python")})
    settings = broken.settings(commands=("check",)).model_copy(update={"edms": edms})

    with pytest.raises(SettingsError, match="would not see the copy"):
        drill.fn(Run(settings), DrillRequest())


def failed_drill(settings: Settings) -> str:
    """Run a drill that must fail; returns the line that says why."""
    try:
        result: DrillResult = drill.fn(Run(settings), DrillRequest())
    except EdmsBackupError as error:
        return error.what
    assert not result.success
    return result.problems[0]


def _last_entry(settings: Settings) -> LogEntry:
    return next(Repository.open(settings.repository).log.backwards())


def _everything_in(protected: Protected) -> set[str]:
    """Everything beside the live files, the settings and in the work folder but evidence and locks."""
    found = set()
    for top in (protected.edms.media.parent, protected.config.parent):
        for path in top.rglob("*"):
            name = path.relative_to(top).as_posix()
            lasting = ("repository", "unmounted", "media", "work/reports", "work/copies", "work/seen")
            if not name.startswith(lasting) and not name.endswith((".lock", ".txt.tmp")):
                found.add(name)
    return {name for name in found if not name.startswith(("work/log-witness", "work/.")) and name != "work"}


def _databases(protected: Protected) -> set[str]:
    if protected.edms.engine == "sqlite":
        return set()
    with psycopg.connect(protected.edms.database_url) as server:
        rows = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'edms\\_drill\\_%'")
        return {name for (name,) in rows}


@contextmanager
def _foreign_database(protected: Protected) -> Iterator[str]:
    """A database with a name as of a drill, which somebody else made."""
    if protected.edms.engine == "sqlite":
        yield ""
        return
    name = "edms_drill_0123abcd"
    with psycopg.connect(protected.edms.database_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        yield name
        server.execute(f"DROP DATABASE {name}".encode())
