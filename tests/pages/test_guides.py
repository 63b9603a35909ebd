"""Whoever types what a guide says gets what it promises: each page's commands run, in order, on an EDMS."""

from __future__ import annotations

import os
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.pages.guided_system import GUIDES, ROOT, GuidedSystem
from tests.postgres_server import PostgresServer
from tests.put_back import KeptFolder
from tests.reference_system import EdmsTemplates

# Half a minute of one core a guide; the machine may have other work.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def begun(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates
) -> tuple[GuidedSystem, KeptFolder, str]:
    """A system whose owner has followed the first guide, and what that printed."""
    system = GuidedSystem(tmp_path_factory.mktemp("guided") / "system")
    system.put_edms(_edms_templates.get("sqlite", 20, 1))
    printed = system.follow(GUIDES / "first-backup.md")
    return system, system.keep(), printed


@pytest.fixture
def system(begun: tuple[GuidedSystem, KeptFolder, str]) -> Iterator[GuidedSystem]:
    """The same, as it was after the first guide."""
    begun[1].put_back()
    yield begun[0]


@pytest.mark.long
def test_the_first_backup_is_verified_and_drilled(begun: tuple[GuidedSystem, KeptFolder, str]) -> None:
    printed = begun[2]

    assert "✓ verified" in printed
    assert printed.rstrip().splitlines()[-1].startswith("OK")


@pytest.mark.long
def test_every_night(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "schedule.md")

    assert "30 1 * * *" in printed
    assert "-backup.timer" in printed and "-drill.timer" in printed


@pytest.mark.long
def test_everything_back_and_the_restore_undone(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "restore.md")

    assert "✓ proved" in printed
    assert "✓ live again" in printed


@pytest.mark.long
def test_one_document_back(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "merge.md")

    assert "WI-00016" in printed
    with closing(sqlite3.connect(system.folder / "srv/edms/var/edms.sqlite3")) as edms:
        assert edms.execute("SELECT count(*) FROM documents_document WHERE number = 'WI-00016'").fetchone()[0] >= 1


@pytest.mark.long
def test_drills(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "drill.md")

    assert "verify_audit" in printed
    assert printed.rstrip().splitlines()[-1].startswith("OK")


@pytest.mark.long
def test_the_move_to_postgresql(system: GuidedSystem, postgres_server: PostgresServer) -> None:
    # The role of the guide is the owner of the tests' server.
    name = f"edms_{os.getpid()}"
    shown, here = "postgresql://edms@localhost:5432/edms", postgres_server.url(name)
    try:
        printed = system.follow(GUIDES / "move-engine.md", {shown: here})
        with postgres_server.connect(name) as moved:
            found = moved.execute("SELECT count(*) FROM documents_document").fetchone()
    finally:
        postgres_server.drop_databases(name)

    assert "✓ proved" in printed and "✓ verified" in printed.partition("✓ proved")[2]
    assert found == (20,)


@pytest.mark.long
def test_upgrades(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "upgrade.md")

    assert printed.count("✓ verified") >= 4


@pytest.mark.long
def test_a_copy_elsewhere_is_enough(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "off-site.md")

    assert "✓ proved" in printed.rpartition("off-site.md")[2]


@pytest.mark.long
def test_keys_change(system: GuidedSystem) -> None:
    printed = system.follow(GUIDES / "rotate-keys.md")

    assert "key-rotate" in printed.rpartition("rotate-keys.md")[2]
    assert "age" in (system.folder / "root" / "recovery-key.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_retiring_an_edms(system: GuidedSystem) -> None:
    system.follow(GUIDES / "offboard.md")

    assert (system.folder / "mnt" / "usb" / "final.edms-package").stat().st_size > 100_000
    assert zipfile.is_zipfile(system.folder / "mnt" / "usb" / "evidence.zip")


@pytest.mark.long
def test_the_emergency_card(system: GuidedSystem) -> None:
    assert "✓ proved" in system.follow(ROOT / "docs" / "emergency-card.md")


def test_every_guide_is_followed_by_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")

    assert [page.name for page in GUIDES.glob("*.md") if f'GUIDES / "{page.name}"' not in here] == []
