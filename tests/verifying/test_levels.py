"""A verification looks, reads a part in turn, or reads all; and says how long ago each object was read."""

from __future__ import annotations

import json
import math
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edms_tasks.errors import TerminalError
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository
from edms_tasks.repository.seen_whole import SeenWhole
from edms_tasks.settings import load_settings
from flows.cli.app import app
from flows.requests import VerifyRequest
from flows.running.run import Run
from flows.verify import verify
from flows.verifying.listed_objects import NamedObject
from flows.verifying.sampling import choose_sample
from tests.backed_up import BackedUpSystems
from tests.retention.conftest import local, signed  # noqa: F401 - fixtures
from tests.retention.library import Library

pytestmark = pytest.mark.usefixtures("edms_asked_once")


def _name(number: int) -> str:
    return f"objects/00/{number:064x}"


def _objects(sizes: list[int]) -> dict[str, NamedObject]:
    return {
        _name(number): NamedObject(_name(number), ObjectRef(sha256=f"{number:064x}", size=size), "a" * 64, "a model")
        for number, size in enumerate(sizes)
    }


@given(
    sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=60),
    percent=st.sampled_from([100.0, 50.0, 33.0, 10.0, 5.0, 1.0]),
)
def test_all_objects_are_read_in_turn(
    sizes: list[int], percent: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    objects, seen = _objects(sizes), SeenWhole(tmp_path_factory.mktemp("work"), "repository")
    read: set[str] = set()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for run in range(math.ceil(100 / percent)):
        sample = [one.name for one in choose_sample(objects, seen, percent)]
        assert sample
        new = [name for name in sample if name not in read]
        assert new == sample[: len(new)], "what was not read yet comes first"
        read |= set(sample)
        seen.note(sample, at=now + timedelta(days=run))
    assert read == set(objects)


def test_ages_and_damage_are_remembered_and_objects_that_are_gone_forgotten(tmp_path: Path) -> None:
    seen, first = SeenWhole(tmp_path, "repository"), datetime(2026, 1, 1, tzinfo=UTC)
    names = [_name(number) for number in range(4)]
    seen.note(names[:2], at=first)
    seen.note([names[1]], [names[2]], at=first + timedelta(days=3))
    ages = seen.ages(names)
    assert (ages.objects, ages.never, ages.oldest) == (4, 1, first)
    assert seen.damaged() == {names[2]}
    assert seen.longest_unread(names) == [names[3], names[0], names[1], names[2]]
    seen.forget_all_but([names[1], "objects/a stranger"])
    assert seen.ages(names).never == 3
    assert SeenWhole(tmp_path, "another repository").ages(names).never == 4


def test_a_damaged_record_begins_anew_and_one_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    seen, names = SeenWhole(tmp_path, "repository"), [_name(1)]
    seen.note(names)
    (path,) = (tmp_path / "seen").iterdir()
    path.write_bytes(b"no database at all, but long enough to be one" * 100)
    assert seen.ages(names).never == 1
    seen.note(names)
    assert seen.ages(names).never == 0
    path.unlink()
    path.mkdir()
    assert str(path) in seen.ages(names).problem
    with pytest.raises(TerminalError, match="cannot be used"):
        seen.note(names)


def _verify(library: Library, *arguments: str) -> dict[str, Any]:
    config = library.workdir.parent / "edms-backup.toml"
    place = library.settings
    keys = f'write_key = "{place.write_key}"\nidentity = "{place.identity}"\n' if place.write_key else ""
    config.write_text(
        f'workdir = "{library.workdir}"\n[edms]\nid = "ours"\n[repository]\nurl = "{place.url}"\n{keys}',
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["--config", str(config), "verify", *arguments, "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["exit_code"] == result.exit_code
    return found


def _pack(library: Library, snapshot: str) -> str:
    return library.store.path_of(library.repository.read_manifest(snapshot).files[0].packs[0])


@pytest.mark.parametrize("place", ["local", "signed"])
@pytest.mark.parametrize("damage", ["removed", "cut", "longer"])
def test_the_structure_shows_what_is_missing_or_cut(place: str, damage: str, request: pytest.FixtureRequest) -> None:
    library: Library = request.getfixturevalue(place)
    made = [library.add(day, "shared", f"of day {day}" * 100) for day in range(3)]
    right = _verify(library, "--structure")
    assert (right["success"], right["level"], right["objects"], len(right["snapshots"])) == (True, "structure", 0, 3)

    path = library.store.path_of(library.repository.read_manifest(made[1]).files[0].packs[1])
    data = library.store.read(path)
    if damage == "removed":
        library.store.remove(path)
    else:
        library.store.write(path, data[: len(data) // 3] if damage == "cut" else data * 2)
    found = _verify(library, "--structure")
    assert not found["success"]
    (problem,) = found["problems"]
    assert made[1][:12] in problem and "files of media" in problem and Path(path).name in problem
    assert _verify(library, "--structure", made[0])["success"], "the others are whole"


@pytest.mark.parametrize("how", ["structure", "sample"])
def test_no_snapshot_is_called_sound_that_shares_a_wrong_object(how: str, local: Library) -> None:  # noqa: F811
    made = [local.add(day, "shared" * 20, f"of day {day}" * 100) for day in range(3)]
    path = local.store.path_of(local.repository.read_manifest(made[0]).files[0].packs[0])
    if how == "structure":
        local.store.remove(path)
    else:
        local.store.flip(path, 30)
    _verify(local, "--structure")
    settings = load_settings(local.workdir.parent / "edms-backup.toml")
    asked = VerifyRequest(structure=True) if how == "structure" else VerifyRequest(sample=100.0)

    found = verify.fn(Run(settings), asked)

    assert [one["found"] for one in found.looked_at] == ["1 problem"] * 3
    (problem,) = found.problems
    assert problem.startswith(f"snapshot {made[0][:12]} and 2 others: files of media")


def test_the_structure_of_the_order_is_verified_too(local: Library) -> None:  # noqa: F811
    made = [local.add(day) for day in range(3)]
    local.store.remove(local.store.path_of_snapshot(made[1]))
    assert any(made[1][:12] in problem for problem in _verify(local, "--structure")["problems"])
    assert any(made[1][:12] in problem for problem in _verify(local, "--sample", "50%")["problems"])


@pytest.mark.parametrize("place", ["local", "signed"])
def test_samples_find_a_flipped_bit_within_their_turn(place: str, request: pytest.FixtureRequest) -> None:
    library: Library = request.getfixturevalue(place)
    made = [library.add(day, f"of day {day}" * 10) for day in range(5)]
    library.store.flip(_pack(library, made[2]), 30)
    assert _verify(library, "--structure")["success"], "sizes do not show it"

    runs = [_verify(library, "--sample", "25%") for _ in range(4)]
    failed = [run for run in runs if not run["success"]]
    assert failed and all(made[2][:12] in run["problems"][0] for run in failed)
    assert [run["level"] for run in runs] == ["sample"] * 4
    assert runs[0]["last_read"]["never_read"] > 0
    assert runs[-1]["last_read"] | {"oldest_read": ""} == {"objects": 10, "never_read": 0, "oldest_read": ""}


def test_a_snapshot_known_to_be_damaged_takes_no_place_in_a_prune(local: Library) -> None:  # noqa: F811
    good = local.add(0, "a")
    bad = local.add(0.2, "b")
    newest = local.add(3, "c")
    local.store.flip(_pack(local, bad), 0)
    assert not _verify(local)["success"]
    damaged = SeenWhole(local.workdir, local.repository.place).damaged()
    keeps = {fate.id: fate.keeps for fate in local.plan(daily=2, damaged=damaged).fates}
    assert keeps == {good: ("daily",), bad: ("incomplete",), newest: ("newest", "daily")}


@pytest.mark.parametrize(
    "arguments", [["--sample", "0"], ["--sample", "101%"], ["--sample", "some"], ["--structure", "--all"]]
)
def test_a_wrong_level_is_refused(local: Library, arguments: list[str]) -> None:  # noqa: F811
    local.add(0)
    found = _verify(local, *arguments)
    assert (found["error"], found["exit_code"]) == ("command", 2)


@pytest.mark.long
@pytest.mark.slow
def test_a_backup_counts_as_read_and_the_default_reads_all(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite").protected
    made = protected.backup()
    listed = SeenWhole(protected.settings.workdir, Repository.open(protected.settings.repository).place)
    names = [f"objects/{name[:2]}/{name}" for name in made.manifest.objects()]
    assert listed.ages(names).never == 0
    assert protected.verify().level == "all"
    result = protected.verify("latest")
    assert result.objects == len(names) and result.ages.never == 0


def test_what_was_read_of_a_copy_was_not_read_of_the_original(local: Library) -> None:  # noqa: F811
    local.add(0, "a")
    copy = Library(local.settings.model_copy(update={"url": f"{local.settings.url}-copy"}), local.workdir)
    shutil.rmtree(copy.settings.url)
    shutil.copytree(local.settings.url, copy.settings.url)
    assert _verify(copy)["last_read"]["never_read"] == 0
    assert _verify(local, "--structure")["last_read"]["never_read"] == 2
