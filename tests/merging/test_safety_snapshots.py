"""A merge writes nothing unless the snapshot that it makes before was read back and is right."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from edms_tasks.errors import MergeRefused
from flows.merge import require_reliable
from flows.running.flow_decorators import Task
from flows.running.threads import ThreadRunner
from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture
from tests.running import Protected, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]


class FailingDisk(ThreadRunner):
    """A runner behind whose back the disk of the repository flips a byte of what the run has written."""

    def __init__(self, protected: Protected) -> None:
        super().__init__()
        self._objects = protected.repository / "objects"
        self._known = set(self._objects.rglob("*"))

    def call(self, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        made = super().call(task, *args, **kwargs)
        if task.title(*args, **kwargs) == "write manifest":
            new = [path for path in self._objects.rglob("*") if path not in self._known and path.is_file()]
            data = bytearray(new[0].read_bytes())
            data[-1] ^= 1
            new[0].chmod(0o600)
            new[0].write_bytes(data)
        return made


@pytest.mark.long
def test_nothing_is_merged_behind_a_safety_snapshot_that_is_damaged(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite").protected
    with sqlite3.connect(protected.edms.database_path) as connection:
        connection.execute("UPDATE users_user SET first_name = 'renamed'")
    connection.close()
    before = picture(protected.edms)

    with pytest.raises(MergeRefused, match="safety snapshot could not be verified") as refused:
        run_merge(protected.settings, FailingDisk(protected), snapshot="latest")

    assert "edms-backup verify" in refused.value.fix
    assert differences(before, picture(protected.edms)) == []


@pytest.mark.long
def test_a_safety_snapshot_must_be_right_if_this_machine_can_read_it(backed_up: BackedUpSystems) -> None:
    verified = backed_up("sqlite").first
    require_reliable(verified)
    require_reliable(replace(verified, verified=False, not_read_back="The key is elsewhere."))

    with pytest.raises(MergeRefused, match="could not be read back"):
        require_reliable(
            replace(verified, verified=False, problems=("The snapshot could not be read back: no answer",))
        )
