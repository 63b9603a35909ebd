"""The ailing EDMS, made and examined once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edms_tasks.doctor import Assessment
from edms_tasks.settings import Settings
from flows.doctor import Examined
from tests.doctor.ailing_edms import MODELS, ROWS, SETTINGS
from tests.inventory.small_project import small_project
from tests.running import run_doctor


@dataclass(frozen=True)
class Ailing:
    """The EDMS with an ailment of every kind, and what the doctor says of it."""

    folder: Path
    settings: Settings
    examined: Examined

    def said(self, code: str) -> dict[str, Assessment]:
        """What is said with that code, by subject; for a subject of several, the last."""
        return {one.subject: one for one in self.examined.diagnosis.assessments if one.code == code}


@pytest.fixture(scope="package")
def ailing(tmp_path_factory: pytest.TempPathFactory) -> Ailing:
    """Nobody may change it."""
    folder = tmp_path_factory.mktemp("ailing") / "project"
    settings = small_project(folder, MODELS, ROWS, settings=SETTINGS)
    return Ailing(folder, settings, run_doctor(settings))
