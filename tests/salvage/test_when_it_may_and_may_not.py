"""What a salvage may do to the live system, what it cannot do without, and what it is where nothing is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import CommandError, DamagedRepository
from flows.cli.app import app
from tests.independent_comparison import differences, picture
from tests.reference_system import Engine
from tests.salvage.damaged_system import System, damaged, flip, rows, truncate

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@pytest.fixture(scope="module")
def system(systems: Callable[[Engine], System]) -> System:
    return systems("sqlite")


@pytest.mark.long  # a damaged one, below
def test_an_undamaged_snapshot_is_restored_and_proved_as_always(system: System, tmp_path: Path) -> None:
    salvaged = system.salvage(tmp_path)

    assert (salvaged.result.verdict, salvaged.result.success, salvaged.result.losses) == ("proved", True, None)
    assert any("Nothing had to be salvaged" in note for note in salvaged.result.notes)
    assert differences(picture(system.edms), picture(salvaged.copy)) == []


def test_without_into_a_salvage_is_refused_unless_it_was_said_that_it_may_be_promoted(system: System) -> None:
    command = ["--config", str(system.protected.config), "restore", system.snapshot, "--yes"]
    live = picture(system.edms)

    with pytest.raises(CommandError, match="does not replace the live system unless you say so"):
        system.protected.restore(system.snapshot, salvage=True)
    for arguments in (["--salvage"], ["--promote-salvaged"], ["--salvage", "--promote-salvaged", "--into", "x"]):
        done = CliRunner().invoke(app, [*command, *arguments])
        assert done.exit_code == 2, arguments
        assert "--promote-salvaged" in done.stderr

    assert differences(live, picture(system.edms)) == []


@pytest.mark.long
def test_a_salvage_that_may_be_promoted_replaces_the_live_system_and_can_be_rolled_back(system: System) -> None:
    trail = system.entry("audit.AuditTrail")
    lost = system.ids_of_chunk(trail, trail["chunks"][0])
    live = picture(system.edms)
    was = rows(system.edms, trail["table"])

    with damaged((system.path(trail["chunks"][0]["object"]), truncate)):
        result = system.protected.restore(system.snapshot, salvage=True, promote_salvaged=True)
    now = rows(system.edms, trail["table"])
    system.protected.rollback()

    assert (result.verdict, result.success, result.promoted) == ("salvaged", False, True)
    assert now == {key: row for key, row in was.items() if key not in lost}
    assert differences(live, picture(system.edms)) == []


@pytest.mark.parametrize("name", ["by its id", "latest"])
def test_without_its_manifest_nothing_is_salvaged_and_the_other_snapshots_are_named(
    name: str, system: System, tmp_path: Path
) -> None:
    manifest = system.protected.repository / "snapshots" / f"{system.snapshot}.json"

    with (
        damaged((manifest, flip)),
        pytest.raises(DamagedRepository, match="nothing of the snapshot can be salvaged") as refused,
    ):
        system.salvage(tmp_path, system.snapshot if name == "by its id" else name)

    assert system.first[:12] in refused.value.fix
