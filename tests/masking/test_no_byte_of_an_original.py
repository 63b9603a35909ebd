"""No byte of an original is in a masked copy, however the snapshot came about; every file is searched by code of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import keys
from flows.convert import convert
from flows.erasures import record
from flows.packages import export
from flows.requests import ConvertRequest, ExportRequest
from flows.running.run import Run
from tests.byte_search import found_in
from tests.direct_access import execute
from tests.masking.people_tables import RULES_OF_THE_EDMS
from tests.reference_system import EdmsTemplates, ReferenceEdmsFactory
from tests.running import Protected, encrypt, protect

pytestmark = [pytest.mark.slow, pytest.mark.long]
PERSON = ("Zephyrine", "Quackenbush", "zq.private@", "ZQX-00777", "Rhododendron")
RULES = (
    RULES_OF_THE_EDMS
    + """
[files]
media = "placeholder"

[search]
not_personal = ["admin", "system"]
may_hold = ["users.Role.name", "users.Role.description"]
"""
)


class Masking:
    """A system with a person and a document that are easily found, and a snapshot of it."""

    def __init__(self, protected: Protected, folder: Path) -> None:
        self.protected, self.folder = protected, folder
        edms = protected.edms
        execute(
            edms,
            "UPDATE users_user SET first_name = 'Zephyrine', last_name = 'Quackenbush', email = 'zq.private@example.org',"
            " employee_id = 'ZQX-00777' WHERE username = 'user0002'",
        )
        next(path for path in edms.media.rglob("*") if path.is_file()).write_bytes(b"Rhododendron" * 100)
        self.old = folder / "old.json"
        self.old.write_text(edms.manage("dumpdata").stdout, encoding="utf-8")
        (folder / "rules.toml").write_text(RULES, encoding="utf-8")
        protected.backup(tag="before")
        assert found_in([edms.database_path, edms.media], PERSON), "the search finds what is there"

    def left(self, name: str, snapshot: str = "before") -> list[str]:
        """What a masked copy, and the folder for work, hold of the person."""
        files, database = self.folder / name, self.folder / f"{name}.sqlite3"
        done = self.protected.restore(snapshot, into=str(database), into_files=files, mask=self.folder / "rules.toml")
        assert done.success and done.verdict == "masked", done.failures
        work = [path for path in self.protected.settings.workdir.iterdir() if path.name != "copies"]
        assert database.stat().st_size > 50_000
        return found_in([database, files, *work], PERSON)


@pytest.fixture(scope="module")
def masking(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Iterator[Masking]:
    folder: Any = tmp_path_factory.mktemp("masking")
    edms = ReferenceEdmsFactory(_edms_templates, folder / "systems", "masked_bytes")("sqlite", documents=4)
    yield Masking(encrypt(protect(edms, folder)), folder)


def test_from_the_repository(masking: Masking) -> None:
    assert masking.left("copy") == []


def test_from_a_package(masking: Masking) -> None:
    package = masking.folder / "one.edms-package"
    export.fn(Run(masking.protected.settings), ExportRequest(snapshot="before", file=str(package)))
    assert masking.left("packaged", str(package)) == []


def test_after_other_keys(masking: Masking) -> None:
    keys.rotate_key(masking.protected.settings, reencrypt=True)
    assert masking.left("rotated") == []


def test_from_a_converted_backup(masking: Masking) -> None:
    done = convert.fn(Run(masking.protected.settings), ConvertRequest(path=str(masking.old)))
    # A fixture has no files, so there is no folder for a rule.
    (masking.folder / "rules.toml").write_text(RULES.replace('media = "placeholder"', ""), encoding="utf-8")
    try:
        assert masking.left("converted", done.snapshot_id) == []
    finally:
        (masking.folder / "rules.toml").write_text(RULES, encoding="utf-8")


def test_of_what_was_erased(masking: Masking) -> None:
    record(masking.protected.settings, "users.User:user0002", ["first_name=name", "email=email"], reason="1", by="Ann")
    assert masking.left("erased") == []
