"""An EDMS in a container: nothing of ours is there, nothing of its paths is here, and it is backed up all the same."""

from __future__ import annotations

import ast
import shutil
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import edms_tasks.inventory.run_probe as inspect
from edms_tasks.errors import EdmsNotImportable, SettingsError
from edms_tasks.inventory import remote_transport as remote_transport
from edms_tasks.inventory.address_mapping import with_mapped_addresses
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.settings import Settings, settings_from
from tests.independent_comparison import differences, picture
from tests.inventory.small_project import small_project
from tests.inventory.stand_in import ROOT, Container, bare_python, can_hide
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import run_backup, run_restore


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with Django and without us."""
    return bare_python(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="module")
def without_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small EDMS to copy."""
    folder = tmp_path_factory.mktemp("without_models") / "edms"
    small_project(folder, "")
    return folder


@pytest.fixture
def contained(tmp_path: Path, python: Path, without_models: Path) -> Callable[..., Settings]:
    """A small EDMS that is reached through a stand-in for `docker compose exec`; its keywords are a `Container`'s."""

    def make(edms_settings: str = "", models: str = "", edms: dict[str, object] | None = None, **how: str) -> Settings:
        shutil.copytree(without_models, tmp_path / "edms")
        if models:  # it is asked for its models, never for their rows
            (tmp_path / "edms" / "small" / "models.py").write_text(f"from django.db import models\n{models}\n")
        with (tmp_path / "edms" / "small_settings.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{edms_settings}\n")
        container = Container(tmp_path / "docker", python, {tmp_path / "edms": tmp_path / "inside" / "app"}, **how)  # type: ignore[arg-type]
        return settings_from(
            {
                "edms": {
                    "project": str(tmp_path / "inside" / "app"),
                    "settings": "small_settings",
                    "command": container.command(),
                    "database_url": f"sqlite:///{tmp_path / 'edms' / 'db.sqlite3'}",
                    **(edms or {}),
                },
            },
            where=tmp_path / "edms-backup.toml",
        )

    return make


# -- the whole way ------------------------------------------------------------------------------------------------

_MIGRATION = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("documents", "0002_default_types_and_sources")]
    operations = [migrations.AddField("document", "shelf", models.CharField(max_length=20, default="", null=True))]
"""


@pytest.mark.long
@pytest.mark.slow
def test_a_database_file_is_backed_up_and_restored_through_the_command_and_migrated_by_its_name_there(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path, python: Path
) -> None:
    edms = edms_factory("sqlite", documents=5)
    container, settings = _in_a_container(edms, edms.database_path.parent, tmp_path, python)
    before = picture(edms)

    snapshot = run_backup(settings)
    edms.manage("reinit", "--offset-ids")
    reinitialised = picture(edms)
    result = run_restore(settings, snapshot="latest")

    assert snapshot.verified
    assert (result.success, result.promoted, result.failures) == (True, True, ())
    assert len(differences(before, reinitialised)) > 10
    assert differences(before, picture(edms)) == []
    assert "The EDMS's own `check` passed on the restored database." in result.notes
    assert set(container.arguments()) == {"compose exec -T backend python -"}, "what is an argument, everybody can read"

    # By now the EDMS is newer than the snapshot.
    (tmp_path / "here" / "app" / "documents" / "migrations" / "0003_shelf.py").write_text(_MIGRATION)

    result = run_restore(settings, snapshot="latest")

    assert result.success and result.promoted
    assert "shelf" in str(picture(edms)["schema"])


@pytest.mark.long
@pytest.mark.slow
def test_a_server_that_has_another_name_in_the_container_is_reached_by_ours(
    edms_factory: ReferenceEdmsFactory, tmp_path: Path, python: Path
) -> None:
    if not can_hide():
        pytest.skip("a host name of the container's own needs the right to mount (unshare --mount)")
    edms = edms_factory("postgresql", documents=5)
    place = edms.database_url.rpartition("@")[2].partition("/")[0]
    inside = replace(edms, database_url=edms.database_url.replace("127.0.0.1", "db"))
    _, settings = _in_a_container(inside, None, tmp_path, python, database_url=f"postgresql://{place}")
    before = picture(edms)

    run_backup(settings)
    edms.manage("reinit", "--offset-ids")
    result = run_restore(settings, snapshot="latest")

    assert (result.success, result.promoted, result.failures) == (True, True, ())
    assert differences(before, picture(edms)) == []
    assert "The EDMS's own `check` passed on the restored database." in result.notes


def _in_a_container(
    edms: ReferenceEdms, data: Path | None, folder: Path, python: Path, *, database_url: str | None = None
) -> tuple[Container, Settings]:
    """The reference EDMS with its project and files under other paths than here, and the settings that bridge that."""
    here, there = folder / "here", folder / "there"
    shutil.copytree(edms.project, here / "app", ignore=shutil.ignore_patterns("__pycache__", "var"))
    mounts = {here / "app": there / "app", edms.media: there / "media"}
    url = edms.database_url
    if data is not None:
        mounts[data] = there / "data"
        url = f"sqlite:///{there / 'data' / edms.database_path.name}"
    container = Container(folder / "docker", python, mounts, {"db": "127.0.0.1", "localhost": "127.0.0.1"})
    settings = {
        "workdir": str(folder / "work"),
        "edms": {
            "project": str(there / "app"),
            "settings": "config.settings",
            "command": container.command(),
            "env": edms.env | {"REFERENCE_EDMS_DATABASE": url, "REFERENCE_EDMS_MEDIA": str(there / "media")},
            "database_url": database_url or f"sqlite:///{edms.database_path}",
        },
        "repository": {"url": str(folder / "repository")},
        "files": {"roots": {"media": str(edms.media)}},
    }
    return container, settings_from(settings, where=folder / "edms-backup.toml")


# -- what is sent, and what comes back ----------------------------------------------------------------------------


def test_nothing_of_ours_is_needed_or_left_there(contained: Callable[..., Settings]) -> None:
    ours = ("edms_tasks", "flows", "expectations", "prefect", "duckdb", "pyarrow", "pydantic")
    settings = contained(f"""
import importlib.util, os
assert [name for name in {ours} if importlib.util.find_spec(name)] == []
assert os.listdir({str(ROOT)!r}) == [] or not {can_hide()}
variables = [name for name in os.environ if not name.startswith(("LC_", "PYTHON", "__"))]
assert sorted(variables) == ["DJANGO_SETTINGS_MODULE", "PATH"], variables
""")

    assert inspect.run_probe(settings).settings_module == "small_settings"


@pytest.mark.parametrize("way", ["python", "command"])
def test_our_python_path_stays_here(way: str, tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_project(tmp_path, "")
    with (tmp_path / "small_settings.py").open("a", encoding="utf-8") as file:
        file.write("\nimport importlib.util; assert importlib.util.find_spec('edms_tasks') is None\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    edms = {
        "project": str(tmp_path),
        "settings": "small_settings",
        way: str(python) if way == "python" else [str(python)],
    }
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    settings = settings_from({"edms": edms | {"database_url": url}}, where=tmp_path / "edms-backup.toml")

    assert inspect.run_probe(settings).settings_module == "small_settings"


def test_variables_of_the_settings_get_there_whatever_they_hold(contained: Callable[..., Settings]) -> None:
    awkward = "päss wörd $HOME \"'\n{[\\"
    settings = contained(
        f"import os; assert os.environ['TOKEN'] == {awkward!r}, os.environ", edms={"env": {"TOKEN": awkward}}
    )

    assert inspect.run_probe(settings).database_error is None


def test_python_path_works_there_as_everywhere(contained: Callable[..., Settings], tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "only_there.py").write_text("")
    settings = contained("import only_there", edms={"env": {"PYTHONPATH": str(library)}})

    assert inspect.run_probe(settings).settings_module == "small_settings"


@pytest.mark.long
def test_output_of_other_code_does_not_get_into_the_answer(contained: Callable[..., Settings]) -> None:
    settings = contained(
        "print('x' * 300_000); import sys; print('warning ' * 20_000, file=sys.stderr); print('no end', end='')",
        before="(while :; do printf 'noise without an end '; echo; printf '\\377'; done) & noise=$!",
        after='kill "$noise"',
    )

    assert inspect.run_probe(settings).settings_module == "small_settings"


@pytest.mark.long
def test_an_answer_of_megabytes_comes_whole(contained: Callable[..., Settings]) -> None:
    settings = contained(
        models="for n in range(150):\n"
        "    fields = {f'field_{i}_' + 'x' * 40: models.TextField() for i in range(40)}\n"
        "    globals()[f'Wide{n}'] = type(f'Wide{n}', (models.Model,), {'__module__': __name__, **fields})\n"
    )

    report = inspect.run_probe(settings)

    wide = [model for model in report.models if model.label.startswith("small.Wide")]
    assert len(wide) == 150 and {len(model.fields) for model in wide} == {41}
    assert len(report.model_dump_json()) > 2_000_000


def test_an_answer_that_a_terminal_rewrote_is_understood(contained: Callable[..., Settings]) -> None:
    settings = contained(pipe=r"| sed 's/$/\r/'")

    assert inspect.run_probe(settings).settings_module == "small_settings"


@pytest.mark.parametrize("filter_", ["head -c -300", "tail -n +8", "sed '/^[0-9a-f]\\{32\\} /s/A/B/'"])
def test_an_incomplete_or_changed_answer_is_refused(filter_: str, contained: Callable[..., Settings]) -> None:
    settings = contained(pipe=f"| {filter_}", models="class A(models.Model):\n    text = models.TextField()")

    with pytest.raises(EdmsNotImportable, match="is incomplete"):
        inspect.run_probe(settings)


def test_the_transport_needs_python_3_8_and_the_standard_library() -> None:
    source = Path(str(remote_transport.__file__)).read_text(encoding="utf-8")

    tree = ast.parse(source, feature_version=(3, 8))

    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {"base64", "hashlib", "json", "os", "signal", "subprocess", "sys", "threading", "time"}
    assert source.isascii(), "a terminal's or a locale's encoding must not matter"


# -- what goes wrong there ----------------------------------------------------------------------------------------


def test_a_stopped_service_is_reported_with_the_commands_message(contained: Callable[..., Settings]) -> None:
    settings = contained(before="echo 'service \"backend\" is not running' >&2; exit 1")

    with pytest.raises(EdmsNotImportable, match='why:   service "backend" is not running') as caught:
        inspect.run_probe(settings)

    assert "compose exec -T backend python" in str(caught.value)


def test_a_missing_command_is_named(contained: Callable[..., Settings]) -> None:
    settings = contained(edms={"command": ["no-such-docker", "exec", "python"]})

    with pytest.raises(EdmsNotImportable, match="where: no-such-docker exec python"):
        inspect.run_probe(settings)


def test_a_missing_project_folder_is_named(contained: Callable[..., Settings]) -> None:
    settings = contained(edms={"project": "/srv/not/there"})

    with pytest.raises(EdmsNotImportable, match=r"where: /srv/not/there\n.*as the EDMS sees its folders"):
        inspect.run_probe(settings)


def test_settings_that_fail_there_say_so_without_the_secrets(contained: Callable[..., Settings]) -> None:
    settings = contained(
        "import os; raise RuntimeError('refused: ' + os.environ['TOKEN'])", edms={"env": {"TOKEN": "very-secret"}}
    )

    with pytest.raises(EdmsNotImportable) as caught:
        inspect.run_probe(settings)

    assert "refused: ***" in str(caught.value) and "very-secret" not in str(caught.value)


@pytest.mark.long
def test_an_edms_that_never_answers_is_given_up_and_ended(
    contained: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = contained("import os, time; BASE.joinpath('asleep').write_text(str(os.getpid())); time.sleep(3600)")
    asleep = tmp_path / "edms" / "asleep"
    for seconds in (2, 20, 200):  # as many as this machine needs to get so far
        monkeypatch.setattr(inspect, "_SECONDS_TO_ANSWER", seconds)
        with pytest.raises(EdmsNotImportable, match=f"No answer in {seconds} seconds"):
            inspect.run_probe(settings)
        if asleep.exists() and asleep.read_text():
            break

    process = Path("/proc") / asleep.read_text()
    given_up = time.monotonic() + 300
    while process.exists() and time.monotonic() < given_up:
        time.sleep(0.1)
    assert not process.exists()


def test_a_command_of_the_edms_that_fails_there_fails_here(contained: Callable[..., Settings], tmp_path: Path) -> None:
    settings = contained()
    live = tmp_path / "edms" / "db.sqlite3"

    fine = inspect.run_in_edms(settings, ["check", "--database", "default"], database_name=str(live))
    failed = inspect.run_in_edms(settings, ["no-such-command"], database_name=str(live))
    unseen = inspect.run_in_edms(settings, ["check"], database_name=str(tmp_path / "work" / "staged.sqlite3"))

    assert fine.returncode == 0 and "no issues" in fine.stdout
    assert failed.returncode != 0 and "no-such-command" in failed.stderr
    assert unseen.returncode != 0 and "The EDMS sees no file" in unseen.stderr


# -- its places, from here ----------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_database_file_elsewhere_is_never_looked_for_under_the_same_path(contained: Callable[..., Settings]) -> None:
    settings = contained(edms={"database_url": None})

    with pytest.raises(SettingsError, match='database_url = "sqlite:////path/to/the/file/here"'):
        inspect.run_probe(settings)


def test_a_folder_of_files_elsewhere_is_never_looked_for_under_the_same_path(
    contained: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = contained("MEDIA_ROOT = '/'")

    with pytest.raises(SettingsError) as caught:
        inspect.run_probe(settings)

    suggested = caught.value.fix.partition("[files] ")[2].partition(". This")[0]
    files = tomllib.loads(suggested.replace("/path/here", str(tmp_path)))
    told = settings_from({"files": files, "edms": settings.edms.model_dump()}, where=tmp_path / "x")
    assert [root.path for root in inspect.run_probe(told).file_roots] == [str(tmp_path)]


@pytest.fixture(scope="module")
def told_of_a_server(without_models: Path) -> ProbeReport:
    """What an EDMS says whose database is on a server."""
    edms = {"project": str(without_models), "settings": "small_settings", "python": sys.executable}
    report = inspect.run_probe(settings_from({"edms": edms}, where=without_models / "edms-backup.toml"))
    address = {"name": "edms", "user": "app", "password": "its-secret", "host": "db", "port": "5432"}
    told = report.databases[0].model_copy(update={"vendor": "postgresql", **address})
    return report.model_copy(update={"databases": (told,)})


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("postgresql://here:1234", ("edms", "app", "its-secret", "here", "1234")),
        ("postgresql://here", ("edms", "app", "its-secret", "here", "")),
        ("postgresql://backup:ours@here/other", ("other", "backup", "ours", "here", "")),
        ("postgresql:///other", ("other", "app", "its-secret", "db", "5432")),
        ("postgresql://me@/?host=/run/postgresql", ("edms", "me", "", "/run/postgresql", "")),
    ],
)
def test_parts_missing_in_the_url_come_from_the_edms(
    url: str, reached: tuple[str, ...], told_of_a_server: ProbeReport
) -> None:
    edms = {"project": "/app", "settings": "its", "command": ["docker", "python"], "database_url": url}

    found = with_mapped_addresses(
        told_of_a_server, settings_from({"edms": edms}, where=Path("/x/edms-backup.toml"))
    ).databases[0]

    assert (found.name, found.user, found.password, found.host, found.port) == reached


def test_a_url_of_another_engine_is_refused(contained: Callable[..., Settings]) -> None:
    settings = contained(edms={"database_url": "postgresql://here/edms"})

    with pytest.raises(SettingsError, match="is sqlite, the URL says postgresql"):
        inspect.run_probe(settings)
