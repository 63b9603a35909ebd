"""Repositories that an earlier release wrote in format 2 are read, restored and continued, with the keys of then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tests.earlier_release import empty_system, recorded_snapshots
from tests.independent_comparison import hashes
from tests.reference_system import Engine, ReferenceEdmsFactory
from tests.running import Protected, run_diff

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]
FOLDER = Path(__file__).parent
ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@pytest.fixture
def old(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> Callable[[Engine], Protected]:
    """An empty EDMS whose repository has snapshots of another installation, made by an earlier release."""

    def make(engine: Engine) -> Protected:
        protected = empty_system(edms_factory, engine, FOLDER, tmp_path)
        document = tomlkit.parse(protected.config.read_text(encoding="utf-8"))
        document["repository"]["write_key"] = str(tmp_path / "write-key")  # type: ignore[index]
        document["repository"]["identity"] = str(tmp_path / "recovery-key")  # type: ignore[index]
        protected.config.write_text(tomlkit.dumps(document), encoding="utf-8")
        return protected

    return make


def _expected(engine: Engine) -> list[dict[str, Any]]:
    return recorded_snapshots(engine, FOLDER)


@pytest.mark.long
@pytest.mark.parametrize("engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def test_old_snapshots_are_verified_and_come_back_exactly(engine: Engine, old: Callable[[Engine], Protected]) -> None:
    protected = old(engine)
    assert protected.verify().problems == ()

    for one in _expected(engine):
        result = protected.restore(one["snapshot"])
        assert result.success and result.promoted, result.failures
        assert hashes(protected.edms) == one["picture"]


@pytest.mark.long  # those of format 1 are continued in test_format_1
def test_the_next_backup_continues_them(old: Callable[[Engine], Protected]) -> None:
    protected = old("sqlite")
    newest = _expected("sqlite")[-1]
    assert protected.restore(newest["snapshot"]).success

    made = protected.backup()

    assert made.verified
    assert protected.verify().problems == ()
    assert run_diff(protected.settings, snapshot=newest["snapshot"], other=made.snapshot_id).equal


def test_the_two_snapshots_differ() -> None:
    # Otherwise the second would show nothing of what only a later backup has.
    for engine in ENGINES:
        first, second = (one["picture"] for one in _expected(engine))
        assert first != second and first.keys() == second.keys()
