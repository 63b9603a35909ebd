"""Tables without columns: PostgreSQL allows them, and even rows in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import TerminalError
from tests.direct_access import execute
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdmsFactory
from tests.running import protect

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@pytest.mark.long
def test_one_without_rows_comes_back(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("postgresql", populate=False)
    execute(edms, "CREATE TABLE hollow ()")
    system = protect(edms, tmp_path, extra="[validate]\ndjango_check = false")
    before = picture(edms)
    system.backup()
    execute(edms, "DROP TABLE hollow")
    system.restore()
    assert differences(before, picture(edms)) == []


def test_rows_of_nothing_are_refused_by_name(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("postgresql", populate=False)
    execute(edms, "CREATE TABLE hollow ()", "INSERT INTO hollow DEFAULT VALUES")
    system = protect(edms, tmp_path)
    with pytest.raises(TerminalError, match="hollow has rows, but no columns"):
        system.backup()
