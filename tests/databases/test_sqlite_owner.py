"""A restored SQLite file belongs to whom the live one belonged: the EDMS must be able to go on writing to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.reference_system import ReferenceEdmsFactory
from tests.running import protect


@pytest.mark.parametrize("mode", [0o660, *(pytest.param(mode, marks=pytest.mark.long) for mode in (0o600, 0o644))])
def test_a_restore_keeps_permissions_and_owner(mode: int, edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite", documents=5)
    protected = protect(edms, tmp_path)
    protected.backup()
    edms.database_path.chmod(mode)
    owner = (os.getuid(), os.getgid()) if os.geteuid() else (12345, 54321)
    os.chown(edms.database_path, *owner)

    result = protected.restore()

    restored = edms.database_path.stat()
    assert result.promoted
    assert (stat.S_IMODE(restored.st_mode), (restored.st_uid, restored.st_gid)) == (mode, owner)
